package pusher

import "strings"

// CheckVersion looks at the parameter "protocol" of a connection's query, and
// whether it is there. Where the version is spoken here, code is 0; else it is
// for a Close frame, with a text that fits into one.
func CheckVersion(protocol string, present bool) (code int, text string) {
	const use = `use "protocol=7"`
	if !present {
		return CodeNoVersion, "the protocol version is missing: " + use
	}
	switch protocol {
	case "5", "6", "7":
		return 0, ""
	}
	if !digits(strings.TrimPrefix(protocol, "-")) {
		return CodeBadVersion, "the protocol version is not a whole number: " + use
	}
	return CodeUnsupported, "this protocol version is not supported: " + use
}

// digits reports whether s consists of one decimal digit or more.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
