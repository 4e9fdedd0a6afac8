package config

import (
	"log/slog"
	"net/url"
	"strconv"
	"strings"
)

// URL is an address that may hold user name and password, which its printed forms mask; [URL.Reveal] gives it whole.
type URL string

// Reveal is the address with its secrets.
func (u URL) Reveal() string { return string(u) }

// String is the address without its secrets. Text that is no URL is masked whole.
func (u URL) String() string { return maskURL(string(u)) }

// Public is the address without user and password, and with other secrets masked: for those who have credentials of their own.
func (u URL) Public() string {
	shown := u.String()
	scheme, rest, ok := strings.Cut(shown, "://")
	if at := strings.LastIndexByte(rest, '@'); ok && at > 0 && shown != string(u) {
		return scheme + "://" + rest[at+1:]
	}
	return shown
}

// GoString masks secrets in %#v.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// MarshalText masks secrets in JSON and the like.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML masks secrets in YAML.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// LogValue masks secrets in logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// secret reports whether the address holds anything that is masked.
func (u URL) secret() bool { return u.String() != string(u) }

// parse splits the address. It drops the error of url.Parse, whose text quotes what may be a password.
func (u URL) parse() (*url.URL, bool) {
	parsed, err := url.Parse(string(u))
	return parsed, err == nil
}

// userinfo reports whether the address names a user.
func userinfo(u *url.URL) bool { return u.User != nil && u.User.String() != "" }

func maskURL(s string) string {
	scheme, rest, ok := strings.Cut(s, ":")
	switch {
	case s == "" || ok && (scheme == "file" || scheme == "v4l2"):
		return s // paths
	case ok && scheme == "lavfi" && !strings.Contains(rest, "//"):
		return maskParams(s) // a filter graph, where @ names an opacity or an instance
	}
	scheme, rest, ok = strings.Cut(s, "://")
	if !ok || !validScheme(scheme) {
		return masked
	}
	return scheme + "://" + maskUser(maskParams(rest))
}

// maskUser takes everything before the last @ for user and password: a raw / or ? in a password would end the authority for a
// parser, and what follows it would be shown.
func maskUser(rest string) string {
	at := strings.LastIndexByte(rest, '@')
	if at <= 0 {
		return rest
	}
	user, _, ok := strings.Cut(rest[:at], ":")
	if !ok || user == "" || strings.ContainsAny(user, "/?#@=") {
		return masked + rest[at:]
	}
	return user + ":" + masked + rest[at:]
}

// maskParams masks the values of parameters that name a user or a secret, in the query or in the path, where some cameras want
// them.
func maskParams(s string) string {
	params := strings.Split(s, "&")
	for i, param := range params {
		for at := range len(param) {
			if param[at] == '=' && secretName(param[:at]) {
				params[i] = param[:at+1] + masked
				break
			}
		}
	}
	return strings.Join(params, "&")
}

// secretName reports whether the parameter name that ends text sounds like user information.
func secretName(text string) bool {
	name := text[strings.LastIndexAny(text, "/?;:#= ")+1:]
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	for _, word := range []string{"pass", "pwd", "psw", "secret", "token", "auth", "user", "usr", "login", "cred", "streamid",
		"signature", "apikey", "api_key", "access_key", "accesskey"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "key" || name == "sig"
}

func validScheme(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '+' || r == '-' || r == '.')) {
			return false
		}
	}
	return s != ""
}
