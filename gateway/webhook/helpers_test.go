package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"stentor/test/kit"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("WEBHOOK_TEST_CHILD"); role != "" {
		child(role)
		return
	}
	os.Exit(kit.Main(m))
}

// told is an event as a receiver reads it.
type told struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Event   string `json:"event"`
	Data    string `json:"data"`
	Socket  string `json:"socket_id"`
	User    string `json:"user_id"`
	Count   int    `json:"subscription_count"`
}

// delivery is a call as a receiver reads it.
type delivery struct {
	at     time.Time
	url    string
	header http.Header
	body   []byte
	ms     int64
	events []told
	status int // what it was answered
}

// receiver takes calls, over real sockets or as a transport.
type receiver struct {
	t      testing.TB
	mu     sync.Mutex
	calls  []delivery
	answer func(d delivery) int // nil: 200
}

func (r *receiver) take(req *http.Request) int {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return 400
	}
	var p struct {
		Time   int64  `json:"time_ms"`
		Events []told `json:"events"`
	}
	if err := json.Unmarshal(body, &p); err != nil || len(p.Events) == 0 || p.Time == 0 {
		r.t.Errorf("a call with the body %q: %v", body, err)
	}
	d := delivery{time.Now(), req.URL.String(), req.Header.Clone(), body, p.Time, p.Events, 200}
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		d.status = answer(d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, d)
	return d.status
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { w.WriteHeader(r.take(req)) }

// RoundTrip lets a receiver be reached without sockets, which tests in a bubble
// of time must not use.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	status := r.take(req)
	if status < 0 { // it hangs
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(nil)), Request: req}, nil
}

func (r *receiver) setAnswer(f func(d delivery) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// all returns the calls until now.
func (r *receiver) all() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// taken returns the events of calls that were answered 200, in order of their
// arrival, and forgets the calls.
func (r *receiver) taken() (list []told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.calls {
		if d.status == 200 {
			list = append(list, d.events...)
		}
	}
	r.calls = nil
	return list
}

// served starts a receiver on a real socket.
func served(t testing.TB) (*receiver, string) {
	r := &receiver{t: t}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return r, s.URL + "/hook"
}

const testKey = "app-key"

// signer signs as an app does.
func signer(secret string) func([]byte) (string, string) {
	return func(body []byte) (string, string) { return testKey, signature(secret, body) }
}

func signature(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// open opens a queue that is closed with the test at the latest.
func open(t testing.TB, cfg Config) *Queue {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	q, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func closed(t testing.TB, q *Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

// soon waits for something that is to come true.
func soon(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// said is a client event, as most tests send them.
func said(channel, data string) Event {
	return Event{Name: ClientEvent, Channel: channel, Event: "client-said", Data: data, Socket: "1.2"}
}

// datas returns the data of events, of one channel if it is not empty.
func datas(list []told, channel string) (out []string) {
	for _, e := range list {
		if channel == "" || e.Channel == channel {
			out = append(out, e.Data)
		}
	}
	return out
}

// short tells events by name, channel and user.
func short(list []told) (out []string) {
	for _, e := range list {
		s := e.Name + " " + e.Channel
		if e.User != "" {
			s += " " + e.User
		}
		out = append(out, s)
	}
	return out
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// check compares what a queue counts with what there is, when all that was
// emitted is written or its writing has failed.
func check(t testing.TB, q *Queue) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	var memory int64
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			var bytes, inRAM int64
			items, unsaved, idle := 0, 0, 0
			for name, l := range ep.lanes {
				if name != l.channel || len(l.items) == 0 || !slices.IsSortedFunc(l.items, func(x, y *item) int { return int(x.id) - int(y.id) }) {
					t.Errorf("the lane %q of %s is wrong: %d items", name, ep.url, len(l.items))
				}
				if l.taken == 0 {
					idle++
				}
				for _, it := range l.items {
					items++
					bytes += int64(it.size)
					if it.state == inMemory {
						unsaved++
						inRAM += int64(it.size)
					}
				}
			}
			if inRAM != ep.memory {
				t.Errorf("%s counts %d bytes in memory, there are %d", ep.url, ep.memory, inRAM)
			}
			memory += inRAM
			departing, departBytes := 0, int64(0)
			for m, d := range ep.marks {
				if d == nil {
					continue
				}
				if d.in != &q.left {
					departing++
					departBytes += m.size()
				}
				if d.mark != m || d.ep != ep || d.elem.Value != d || d.in != &q.waiting && d.in != &q.left && (d.in != &ep.held || d.untold) {
					t.Errorf("the departure of %v is wrong: %+v", m, d)
				}
			}
			if _, holds := q.holding[ep]; holds != (ep.held.Len() > 0) || departing != ep.departing || departBytes != ep.departBytes {
				t.Errorf("%s counts %d departures, %d bytes; there are %d, %d; %d are held", ep.url, ep.departing, ep.departBytes, departing, departBytes, ep.held.Len())
			}
			if items != ep.backlog || bytes != ep.bytes || unsaved != ep.unsaved || !q.closed && len(ep.ready)+len(ep.resting) != idle {
				t.Errorf("%s counts %d events, %d bytes, %d unsaved; there are %d, %d, %d; %d lanes are ready, %d rest, of %d without a call", ep.url,
					ep.backlog, ep.bytes, ep.unsaved, items, bytes, unsaved, len(ep.ready), len(ep.resting), idle)
			}
		}
	}
	if memory != q.memory {
		t.Errorf("%d bytes are counted in memory, there are %d", q.memory, memory)
	}
}
