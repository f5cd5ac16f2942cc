package pusher

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Objects are read by hand. encoding/json would take "Event" for "event", the
// last of two fields with one name, and bytes that are not UTF-8; here a text
// means one thing only.

// check tells why b is not one JSON value in UTF-8.
func check(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not valid UTF-8")
	}
	if !json.Valid(b) {
		err := json.Unmarshal(b, new(json.RawMessage))
		return errors.New("not valid JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// fields finds the fields of these names in the object b, which check has
// passed. values receives each as it is written, nil for one that is missing.
// Fields of other names are passed over.
func fields(b []byte, names []string, values [][]byte) error {
	i := space(b, 0)
	if b[i] != '{' {
		return errors.New("it must be an object, not " + kind(b[i:]))
	}
	i = space(b, i+1)
	for b[i] != '}' {
		end := skip(b, i)
		at := index(names, text(b[i:end]))
		i = space(b, space(b, end)+1) // after the colon
		end = skip(b, i)
		if at >= 0 {
			if values[at] != nil {
				return fmt.Errorf("it has %q twice", names[at])
			}
			values[at] = b[i:end]
		}
		i = space(b, end)
		if b[i] == ',' {
			i = space(b, i+1)
		}
	}
	return nil
}

func index(names []string, name []byte) int {
	for i, n := range names {
		if string(name) == n {
			return i
		}
	}
	return -1
}

// space returns where blanks end that may begin at i.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skip returns where the value ends that begins at i, inside an object.
func skip(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of what surrounds a number, true, false or null
				return i
			}
			depth--
			if depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
}

// text returns what a JSON string says, as part of b if it can.
func text(b []byte) []byte {
	for _, c := range b {
		if c == '\\' {
			var s string
			_ = json.Unmarshal(b, &s) // check has passed it
			return []byte(s)
		}
	}
	return b[1 : len(b)-1]
}

func isString(b []byte) bool { return len(b) > 0 && b[0] == '"' }

// absent reports whether a field is missing or null.
func absent(b []byte) bool { return b == nil || string(b) == "null" }

// kind names what a value is.
func kind(b []byte) string {
	switch b[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// stringField reads a field that must be a string.
func stringField(name string, b []byte) (string, error) {
	switch {
	case b == nil:
		return "", fmt.Errorf("%q is missing", name)
	case !isString(b):
		return "", fmt.Errorf("%q must be a string, not %s", name, kind(b))
	}
	return string(text(b)), nil
}

// stringList reads a list of strings.
func stringList(name string, b []byte) ([]string, error) {
	raw, err := list(name, b)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(raw))
	for i, r := range raw {
		if !isString(r) {
			return nil, fmt.Errorf("%s[%d] must be a string, not %s", name, i, kind(r))
		}
		found[i] = string(text(r))
	}
	return found, nil
}

// list reads a list of anything.
func list(name string, b []byte) (raw []json.RawMessage, err error) {
	if kind(b) != "a list" {
		return nil, fmt.Errorf("%q must be a list, not %s", name, kind(b))
	}
	return raw, json.Unmarshal(b, &raw)
}

// stringOrNone reads a field that may be missing or null.
func stringOrNone(name string, b []byte) (string, error) {
	if absent(b) {
		return "", nil
	}
	return stringField(name, b)
}
