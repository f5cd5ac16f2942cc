package frame

import "github.com/gobwas/ws"

// Error is a violation after which the connection must be failed
// (RFC 6455, 7.1.7): a Close frame with Code, then the end. Values are
// sentinels, comparable with ==.
type Error struct {
	Code ws.StatusCode // status code for the Close frame
	text string
}

// Error says which rule was broken. The text fits a Close frame's reason.
func (e *Error) Error() string { return e.text }

func violation(code ws.StatusCode, text string) *Error { return &Error{code, text} }

// Violations of RFC 6455, named after the rule that was broken.
var (
	// 5.2: "the minimal number of bytes MUST be used to encode the length".
	ErrLengthNotMinimal = violation(ws.StatusProtocolError, "frame length is not minimally encoded")
	// 5.2: "the most significant bit MUST be 0".
	ErrLengthMSB = violation(ws.StatusProtocolError, "most significant bit of the frame length is set")
	// 5.2: "MUST be 0 unless an extension is negotiated that defines meanings".
	ErrReservedBits = violation(ws.StatusProtocolError, "reserved bits are set but no extension was negotiated")
	// 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail".
	ErrReservedOpcode = violation(ws.StatusProtocolError, "reserved opcode")
	// 5.1: "a client MUST mask all frames that it sends to the server".
	ErrNotMasked = violation(ws.StatusProtocolError, "frame from a client is not masked")
	// 5.5: "All control frames MUST have a payload length of 125 bytes or less".
	ErrControlTooLong = violation(ws.StatusProtocolError, "control frame payload exceeds 125 bytes")
	// 5.5: "and MUST NOT be fragmented".
	ErrControlFragmented = violation(ws.StatusProtocolError, "control frame is fragmented")
	// 5.4: a continuation continues a fragmented message.
	ErrContinuationUnexpected = violation(ws.StatusProtocolError, "continuation frame without a message to continue")
	// 5.4: "The fragments of one message MUST NOT be interleaved".
	ErrContinuationExpected = violation(ws.StatusProtocolError, "new message inside a fragmented message")
	// 8.1: text that "is not, in fact, valid UTF-8".
	ErrInvalidUTF8 = violation(ws.StatusInvalidFramePayloadData, "text is not valid UTF-8")
	// 10.4: limits on messages.
	ErrTooBig = violation(ws.StatusMessageTooBig, "message is too big")
	// 5.5.1: the body begins with a 2-byte status code, if there is a body.
	ErrCloseBody = violation(ws.StatusProtocolError, "close frame body of one byte")
	// 7.4: status codes that an endpoint may send.
	ErrCloseCode = violation(ws.StatusProtocolError, "close status code must not be sent")
	// 5.5.1: the reason is UTF-8.
	ErrCloseReason = violation(ws.StatusInvalidFramePayloadData, "close reason is not valid UTF-8")
)
