package raw

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"stentor/protocol"
)

// FuzzRaw sends a payload from one raw client to another, and publishes it as
// JSON if it is that.
func FuzzRaw(f *testing.F) {
	for _, s := range []string{``, `text`, `"text"`, `"\ud800\u0000"`, `"unfinished`, `{"a":"b"}`, `null`, ` "blank"`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		for _, sent := range []bool{false, true} {
			binary, got := Encode(Decode(sent, payload, "ann"))
			if binary != sent || !bytes.Equal(got, payload) {
				t.Fatalf("sent binary %t, %q: received binary %t, %q", sent, payload, binary, got)
			}
		}
		binary, got := Encode(protocol.Event{Kind: protocol.JSON, Data: payload})
		if !bytes.Equal(payload, before) {
			t.Fatal("the payload was changed")
		}
		if !utf8.Valid(payload) || !json.Valid(payload) || binary {
			if binary {
				t.Fatalf("%q: JSON is sent as binary", payload)
			}
			return
		}
		var v any
		if err := json.Unmarshal(payload, &v); err != nil { // a number beyond float64
			v = nil
		}
		want := payload
		if s, ok := v.(string); ok && payload[0] == '"' {
			want = []byte(s)
		}
		if !bytes.Equal(got, want) || !utf8.Valid(got) {
			t.Fatalf("%q: received %q, want %q", payload, got, want)
		}
	})
}
