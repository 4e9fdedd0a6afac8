package schema

import "strings"

const (
	siteRule = "does not match [a-z0-9_-]{1,32}"
	nameRule = "does not match [A-Za-z0-9_-]{1,64}"
)

// ValidSite reports whether s can name a site or a node: [a-z0-9_-]{1,32}.
func ValidSite(s string) bool {
	return validToken(s, 32, false)
}

// ValidName reports whether s can name a camera or a bridge: [A-Za-z0-9_-]{1,64}.
func ValidName(s string) bool {
	return validToken(s, 64, true)
}

func validToken(s string, max int, upper bool) bool {
	if s == "" || len(s) > max {
		return false
	}
	for i := range len(s) {
		if !tokenByte(s[i], upper) {
			return false
		}
	}
	return true
}

func tokenByte(c byte, upper bool) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || upper && c >= 'A' && c <= 'Z'
}

// SiteName maps any text, such as a host name, to a valid site or node name: lowered, other characters replaced by '-', cut at 32.
// Text with nothing usable becomes "node".
func SiteName(s string) string {
	mapped := strings.Map(func(r rune) rune {
		if r < 0x80 && tokenByte(byte(r), false) {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	mapped = strings.Trim(mapped, "-")
	if len(mapped) > 32 {
		mapped = strings.TrimRight(mapped[:32], "-")
	}
	if mapped == "" {
		return "node"
	}
	return mapped
}
