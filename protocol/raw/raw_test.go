package raw

import (
	"bytes"
	"reflect"
	"testing"

	"stentor/protocol"
)

func TestDecodeTakesAPayloadAsItIs(t *testing.T) {
	data := []byte(`{"looks":"like JSON"}`)
	for binary, kind := range map[bool]protocol.Kind{false: protocol.Text, true: protocol.Binary} {
		want := protocol.Event{Name: "message", Kind: kind, Data: data, User: "ann"}
		if got := Decode(binary, data, "ann"); !reflect.DeepEqual(got, want) {
			t.Errorf("binary %t: %+v, want %+v", binary, got, want)
		}
	}
	if got := Decode(false, nil, ""); got.User != "" || len(got.Data) != 0 {
		t.Errorf("empty: %+v", got)
	}
}

func TestEncodeUnwrapsJSONStringsOnly(t *testing.T) {
	for _, c := range []struct {
		kind   protocol.Kind
		data   string
		binary bool
		want   string
	}{
		{protocol.JSON, `"text"`, false, `text`},
		{protocol.JSON, `""`, false, ``},
		{protocol.JSON, `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, false, "\"\\/\b\f\n\r\té\U0001F600"},
		{protocol.JSON, `"\ud800"`, false, "\ufffd"}, // half a pair has no UTF-8
		{protocol.JSON, `"\"quoted\""`, false, `"quoted"`},
		{protocol.JSON, `{"a": [1.50, "b"]}`, false, `{"a": [1.50, "b"]}`},
		{protocol.JSON, `["a"]`, false, `["a"]`},
		{protocol.JSON, `1.50`, false, `1.50`},
		{protocol.JSON, `null`, false, `null`},
		{protocol.JSON, ``, false, ``},
		{protocol.Text, `"text"`, false, `"text"`},
		{protocol.Text, "a\x00\n", false, "a\x00\n"},
		{protocol.Text, ``, false, ``},
		{protocol.Binary, `"text"`, true, `"text"`},
		{protocol.Binary, "\x00\xff", true, "\x00\xff"},
		{protocol.Binary, ``, true, ``},
	} {
		binary, got := Encode(protocol.Event{Name: "e", Kind: c.kind, Data: []byte(c.data), User: "ann"})
		if binary != c.binary || string(got) != c.want {
			t.Errorf("kind %d, %q: binary %t, %q, want %t, %q", c.kind, c.data, binary, got, c.binary, c.want)
		}
	}
}

// An event's data never changes, and others read it meanwhile.
func TestEncodeLeavesTheEvent(t *testing.T) {
	for _, kind := range []protocol.Kind{protocol.JSON, protocol.Text, protocol.Binary} {
		data := []byte(`"a\nb"`)
		Encode(protocol.Event{Kind: kind, Data: data})
		if !bytes.Equal(data, []byte(`"a\nb"`)) {
			t.Errorf("kind %d: the data is %q now", kind, data)
		}
	}
}
