package faulty

import (
	"encoding/binary"
	"encoding/json"
)

// Opcodes of RFC 6455, section 5.2.
const (
	continuation = 0x0
	text         = 0x1
	closing      = 0x8
	ping         = 0x9
	pong         = 0xA
)

// message is what a client is sent. It is shared between connections, and not
// written to.
type message struct {
	delivery   bool   // one that is due and may suffer faults; else an answer
	opcode     byte   // text or binary
	channel    string // empty for answers and echoes
	head, tail string // around the payload
	payload    []byte
	json       bool // the payload is JSON, and must remain so
}

// answer is a message of the server's own.
func answer(v any) *message {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // none of ours
	}
	return &message{opcode: text, payload: b}
}

// native is a publication as the native dialect has it; data is JSON.
func native(channel, event string, data []byte) *message {
	head, err := json.Marshal(struct {
		Type    string `json:"type"`
		Channel string `json:"channel"`
		Event   string `json:"event"`
	}{"message", channel, event})
	if err != nil {
		panic(err) // strings
	}
	return &message{delivery: true, opcode: text, channel: channel,
		head: string(head[:len(head)-1]) + `,"data":`, payload: data, tail: "}", json: true}
}

// raw is a publication as the raw dialect has it: a JSON string as its text, other
// JSON as it was written.
func raw(channel string, data []byte) *message {
	m := &message{delivery: true, opcode: text, channel: channel, payload: data}
	var s string
	if data[0] == '"' && json.Unmarshal(data, &s) == nil {
		m.payload = []byte(s)
	}
	return m
}

// garbage returns a message like m that nobody has published.
func (m *message) garbage() *message {
	g := *m
	g.opcode = text
	g.payload = []byte(`"published by nobody"`)
	if !m.json {
		g.payload = []byte("published by nobody")
	}
	return &g
}

// bytes returns the whole message.
func (m *message) bytes() []byte {
	b := make([]byte, 0, len(m.head)+len(m.payload)+len(m.tail))
	b = append(b, m.head...)
	b = append(b, m.payload...)
	return append(b, m.tail...)
}

// corrupt returns m with one letter or digit of the payload changed into another,
// at an offset of at least from and, unless that is 0, below to. Which one it is
// random says. It returns nil if no byte can be changed without breaking JSON that
// has to remain JSON.
func (m *message) corrupt(random uint64, from, to int) *message {
	if m.json && m.payload[0] == '"' {
		from++
		if to > 0 {
			to++
		}
	}
	if to == 0 || to > len(m.payload) {
		to = len(m.payload)
	}
	if from >= to {
		return nil
	}
	c := *m
	c.payload = append([]byte(nil), m.payload...)
	for i, n := 0, to-from; i < n; i++ {
		at := from + int((random+uint64(i))%uint64(n))
		was := c.payload[at]
		c.payload[at] = other(was, m.opcode != text)
		if c.payload[at] != was && (!m.json || json.Valid(c.payload)) {
			return &c
		}
		c.payload[at] = was
	}
	return nil
}

// other returns another letter for a letter and another digit for a digit. Other
// bytes remain as they are, unless they may be anything.
func other(b byte, anything bool) byte {
	switch {
	case b == '9':
		return '0'
	case b == 'z':
		return 'a'
	case b == 'Z':
		return 'A'
	case b >= '0' && b < '9', b >= 'a' && b < 'z', b >= 'A' && b < 'Z':
		return b + 1
	case anything:
		return b ^ 1
	}
	return b
}

// frame returns an unmasked frame, RFC 6455, section 5.2.
func frame(fin bool, opcode byte, payload []byte) []byte {
	b := make([]byte, 0, 10+len(payload))
	if fin {
		opcode |= 0x80
	}
	b = append(b, opcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = append(b, 126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, 127)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return append(b, payload...)
}

// closeFrameOf returns a Close frame with a status code; 1005 stands for none.
func closeFrameOf(code int) []byte {
	if code == 1005 {
		return frame(true, closing, nil)
	}
	return frame(true, closing, binary.BigEndian.AppendUint16(nil, uint16(code)))
}
