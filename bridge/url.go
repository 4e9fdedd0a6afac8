package bridge

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ParseURL reads a broker's URL of one of the schemes. Its errors hold nothing of the text beyond the scheme: parsers quote what they
// cannot read, which may be a part of the password when that is not encoded.
func ParseURL(text, like string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(text)
	scheme, rest, ok := strings.Cut(text, "://")
	if err != nil || !ok || !strings.EqualFold(scheme, u.Scheme) || strings.Contains(afterHost(rest), "@") {
		return nil, errors.New("url is not like " + like + "; special characters in user and password must be percent-encoded")
	}
	if !slices.Contains(schemes, u.Scheme) {
		return nil, fmt.Errorf("url scheme %q is none of %s", u.Scheme, strings.Join(schemes, ", "))
	}
	return u, nil
}

// afterHost is what follows user, password, host and port in a URL without its scheme.
func afterHost(rest string) string {
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return rest[end:]
	}
	return ""
}
