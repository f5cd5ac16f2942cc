package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// ParseClose reads a Close frame's body (RFC 6455, 5.5.1). An empty body gives
// ws.StatusNoStatusRcvd. The errors are ErrCloseBody, ErrCloseCode and
// ErrCloseReason. reason points into body.
func ParseClose(body []byte) (code ws.StatusCode, reason []byte, err error) {
	switch len(body) {
	case 0:
		return ws.StatusNoStatusRcvd, nil, nil
	case 1:
		return 0, nil, ErrCloseBody
	}
	code, reason = ws.StatusCode(binary.BigEndian.Uint16(body)), body[2:]
	if !ValidCloseCode(code) {
		return 0, nil, ErrCloseCode
	}
	if !utf8.Valid(reason) {
		return 0, nil, ErrCloseReason
	}
	return code, reason, nil
}

// ValidCloseCode tells whether an endpoint may send code in a Close frame
// (RFC 6455, 7.4, and IANA's registry for 1012 to 1014). ws's own check
// refuses 1012 to 1014 and accepts 5000 and above.
func ValidCloseCode(code ws.StatusCode) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code >= 1007 && code <= 1014:
		return true
	case code >= 1000 && code <= 1003:
		return true
	}
	return false
}
