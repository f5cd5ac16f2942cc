package loadtest

import (
	"bytes"
	"fmt"
	"hash/crc32"
)

// A token is the payload of every message of a run. It is made of characters
// that no dialect has to escape, so that it is found again in whatever envelope
// a server puts around it:
//
//	~lt:RRRRRRRRSSSSSSSSNNNNNNNNTTTTTTTTTTTTTTTTLLLLLLLLFpppp...CCCCCCCC~
//
// run, stream, sequence number, the time when it is due in nanoseconds of the
// system's monotonic clock, length of the whole token, all in hexadecimal; a
// flag, w for warm-up or m; padding; CRC-32C of all between ~ and the checksum.
type token struct {
	run    uint32
	stream uint32 // a channel's number, or a client's
	seq    uint32 // from 1
	due    int64
	warmUp bool
}

const (
	tokenMark = "~lt:"
	tokenHead = len(tokenMark) + 8 + 8 + 8 + 16 + 8 + 1
	tokenTail = 8 + 1
	// MinSize is the least size of a payload in bytes: less does not hold what a
	// client has to know of a message to account for it.
	MinSize = tokenHead + tokenTail + 1
)

// alphabet is what padding is made of, a stretch of it repeated.
const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendToken appends a token of size bytes, MinSize at least.
func appendToken(dst []byte, t token, size int) []byte {
	start := len(dst)
	dst = append(dst, tokenMark...)
	dst = appendHex(dst, uint64(t.run), 8)
	dst = appendHex(dst, uint64(t.stream), 8)
	dst = appendHex(dst, uint64(t.seq), 8)
	dst = appendHex(dst, uint64(t.due), 16)
	dst = appendHex(dst, uint64(size), 8)
	flag := byte('m')
	if t.warmUp {
		flag = 'w'
	}
	dst = append(dst, flag)
	for pad := size - tokenHead - tokenTail; pad > 0; {
		n := min(pad, len(alphabet))
		dst = append(dst, alphabet[:n]...)
		pad -= n
	}
	sum := crc32.Checksum(dst[start:], castagnoli)
	dst = appendHex(dst, uint64(sum), 8)
	return append(dst, '~')
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// verdict is what a message is.
type verdict uint8

const (
	genuine   verdict = iota // a token of this run, unchanged
	corrupted                // of this run by the looks of it, but changed
	foreign                  // nothing of this run
)

// reader finds the tokens of one run.
type reader struct {
	run   uint32
	runID []byte // as it stands in a token
	size  int
	whole bool // a message is a token and nothing else
}

func newReader(run uint32, size int, whole bool) *reader {
	return &reader{run: run, runID: appendHex(nil, uint64(run), 8), size: size, whole: whole}
}

// read finds the first token in a message, and returns how much of the message
// lies up to its end: some servers put several publications into one. One changed
// byte cannot hide both the mark and the run, so such a message is corrupted and
// not foreign. Without a mark n is 0.
func (r *reader) read(message []byte) (t token, v verdict, n int) {
	at := bytes.Index(message, []byte(tokenMark))
	if at < 0 {
		if bytes.Contains(message, r.runID) {
			return t, corrupted, 0
		}
		return t, foreign, 0
	}
	b := message[at:]
	if len(b) < r.size || r.whole && (at > 0 || len(b) != r.size) {
		return r.suspect(b, at)
	}
	if !sound(b[:r.size]) {
		return r.suspect(b, at)
	}
	n = at + r.size
	t, ok := parseHead(b)
	if !ok {
		return t, corrupted, n
	}
	if t.run != r.run {
		return t, foreign, n // of another run on the same channel
	}
	return t, genuine, n
}

// suspect judges what has a mark at some place and is no whole token of this
// size: another run's, which may have another, is foreign.
func (r *reader) suspect(b []byte, at int) (t token, v verdict, n int) {
	if len(b) >= tokenHead && !bytes.Contains(b[:tokenHead], r.runID) {
		size, ok := parseHex(b[tokenHead-9 : tokenHead-1])
		if ok && size >= uint64(MinSize) && size <= uint64(len(b)) && sound(b[:size]) {
			return t, foreign, at + int(size)
		}
	}
	return t, corrupted, at + len(tokenMark)
}

// sound reports whether b, of MinSize at least, ends as a token does, with the
// right checksum.
func sound(b []byte) bool {
	body := b[:len(b)-tokenTail]
	sum, ok := parseHex(b[len(body) : len(b)-1])
	return ok && b[len(b)-1] == '~' && uint64(crc32.Checksum(body, castagnoli)) == sum
}

// parseHead reads the numbers of a token whose checksum is right.
func parseHead(b []byte) (t token, ok bool) {
	b = b[len(tokenMark):]
	var v [4]uint64
	for i, digits := range [...]int{8, 8, 8, 16} {
		if v[i], ok = parseHex(b[:digits]); !ok {
			return t, false
		}
		b = b[digits:]
	}
	t = token{run: uint32(v[0]), stream: uint32(v[1]), seq: uint32(v[2]), due: int64(v[3])}
	t.warmUp = b[8] == 'w'
	return t, true
}

func (t token) String() string {
	return fmt.Sprintf("message %d of stream %d", t.seq, t.stream)
}
