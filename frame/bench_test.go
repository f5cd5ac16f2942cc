package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// benchHeaders are headers of each form of length, as a client sends them.
var benchHeaders = []struct {
	name string
	b    []byte
}{
	{"7bit", announce(0x81, 16)},
	{"16bit", announce(0x82, 4096)},
	{"64bit", announce(0x82, 1<<20)},
}

// BenchmarkParseHeader reads headers out of memory.
func BenchmarkParseHeader(b *testing.B) {
	for _, h := range benchHeaders {
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, size, err := ParseHeader(h.b); size == 0 || err != nil {
					b.Fatal(size, err)
				}
			}
		})
	}
}

// BenchmarkParseHeaderWS reads the same headers with ws.ReadHeader.
func BenchmarkParseHeaderWS(b *testing.B) {
	for _, h := range benchHeaders {
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			r := bytes.NewReader(nil)
			for b.Loop() {
				r.Reset(h.b)
				if _, err := ws.ReadHeader(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchSizes are payload sizes: a click, a small event, a page.
var benchSizes = []int{16, 128, 4096}

// BenchmarkNext reads one whole masked message: header, unmasking and, for
// text, UTF-8. The masking key is all zeros, so that the input is the same in
// each round; the work does not depend on the key.
func BenchmarkNext(b *testing.B) {
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/%dB", opNames[op], size), func(b *testing.B) {
				in := masked(fin|byte(op), strings.Repeat("x", size))
				h, at, _ := ParseHeader(in)
				ws.Cipher(in[at:], h.Mask, 0)
				clear(in[at-4 : at])
				p := Parser{Max: size}
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, n, ok, err := p.Next(in); n != len(in) || !ok || err != nil {
						b.Fatal(n, ok, err)
					}
				}
			})
		}
	}
}

// BenchmarkNextPieces reads one message that comes in reads of 1 KiB.
func BenchmarkNextPieces(b *testing.B) {
	for _, size := range []int{4096, 65536} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			in := bin(strings.Repeat("x", size))
			p := Parser{Max: size}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				got := false
				for at := 0; at < len(in); at += 1024 {
					_, _, ok, err := p.Next(in[at:min(at+1024, len(in))])
					if err != nil {
						b.Fatal(err)
					}
					got = ok
				}
				if !got {
					b.Fatal("no message")
				}
			}
		})
	}
}

// encoded keeps what BenchmarkEncode makes, so that it is made on the heap.
var encoded []byte

// BenchmarkEncode makes the prepared frame of a publication.
func BenchmarkEncode(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			payload := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				encoded = Encode(ws.OpText, payload)
			}
		})
	}
}

// benchHandshakes are a bare request and one as browsers send it.
var benchHandshakes = []struct {
	name string
	head []byte
}{
	{"small", ask()},
	{"browser", ask(
		"+Accept-Encoding: gzip, deflate, br, zstd",
		"+Accept-Language: en-GB,en;q=0.9",
		"+Cache-Control: no-cache",
		"+Pragma: no-cache",
		"+User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		"+Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
		"+Cookie: session="+strings.Repeat("0123456789abcdef", 16))},
}

// BenchmarkUpgrade answers an opening handshake.
func BenchmarkUpgrade(b *testing.B) {
	for _, h := range benchHandshakes {
		b.Run(h.name, func(b *testing.B) {
			var u Upgrader
			b.ReportAllocs()
			for b.Loop() {
				if _, err := u.Upgrade(h.head, accept); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUpgradeWS answers the same with ws alone.
func BenchmarkUpgradeWS(b *testing.B) {
	for _, h := range benchHandshakes {
		b.Run(h.name, func(b *testing.B) {
			var in bytes.Reader
			var out bytes.Buffer
			conn := &transport{&in, &out}
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(h.head)
				out.Reset()
				if _, err := (ws.Upgrader{}).Upgrade(conn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRequestHeader looks for a field that is last, and for one that is
// not there.
func BenchmarkRequestHeader(b *testing.B) {
	for _, h := range benchHandshakes {
		for _, name := range []string{"Sec-WebSocket-Version", "Authorization"} {
			b.Run(h.name+"/"+name, func(b *testing.B) {
				r := NewRequest(h.head)
				b.ReportAllocs()
				for b.Loop() {
					r.Header(name)
				}
			})
		}
	}
}
