package loadtest

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"stentor/loadtest/swarm"
)

// publisher publishes on a schedule: publication k, from 1, to channel k-1
// modulo their number. Each of its outlets gets all of them, in order.
type publisher struct {
	plan    *plan
	run     uint32
	outlets []outlet

	halted  chan struct{}
	once    sync.Once
	done    chan struct{} // closed when all outlets have ended
	highest atomic.Int64  // the last publication that any outlet has begun

	mu       sync.Mutex // guards what follows
	accepted []uint64   // bit k-1: some outlet's server has accepted publication k
	failures map[string]int64
	failed   int64
	took     histogram // until a server has answered
	lag      histogram // how late publications were begun
}

// outlet is one way to publish: a server's address.
type outlet interface {
	publish(ctx context.Context, channel string, payload []byte) error
	close()
}

// requestTimeout bounds one publication.
const requestTimeout = 30 * time.Second

func newPublisher(ctx context.Context, p *plan, run uint32) (*publisher, error) {
	pub := &publisher{
		plan: p, run: run, halted: make(chan struct{}), done: make(chan struct{}),
		failures: map[string]int64{}, took: newHistogram(), lag: newHistogram(),
	}
	if p.PublishWS {
		o, err := dialOutlet(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("the publishing client: %w", err)
		}
		pub.outlets = append(pub.outlets, o)
		return pub, nil
	}
	bases := p.Publish
	if len(bases) == 0 {
		bases = []string{""}
	}
	for _, base := range bases {
		o, err := newHTTPOutlet(p.dialect.Publish, base)
		if err != nil {
			return nil, err
		}
		pub.outlets = append(pub.outlets, o)
	}
	return pub, nil
}

// start publishes from start on, Config.messages times, or until halt.
func (p *publisher) start(start int64) {
	var wg sync.WaitGroup
	for _, o := range p.outlets {
		wg.Go(func() { p.serve(o, start) })
	}
	go func() {
		wg.Wait()
		close(p.done)
	}()
}

// serve goes through the schedule for one outlet.
func (p *publisher) serve(o outlet, start int64) {
	defer o.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var payload []byte
	for k := int64(1); p.plan.messages == 0 || k <= int64(p.plan.messages); k++ {
		due := p.due(start, k)
		if !p.wait(due) {
			return
		}
		select {
		case <-p.halted:
			return
		default:
		}
		began := swarm.Now()
		raise(&p.highest, k)
		channels := int64(len(p.plan.channels))
		t := token{run: p.run, stream: uint32((k - 1) % channels), seq: uint32((k-1)/channels) + 1, due: due, warmUp: k <= int64(p.plan.WarmUp)}
		payload = appendToken(payload[:0], t, p.plan.Size)
		one, stop := context.WithTimeout(ctx, requestTimeout)
		err := o.publish(one, p.plan.channels[t.stream], payload)
		stop()
		p.note(k, due, began, swarm.Now(), err)
	}
}

// due is when publication k is due: with the others of its burst.
func (p *publisher) due(start, k int64) int64 {
	burst := int64(p.plan.Burst)
	return start + int64(float64((k-1)/burst*burst)/p.plan.Rate*1e9)
}

// wait sleeps until due and reports whether the publisher goes on.
func (p *publisher) wait(due int64) bool {
	for {
		left := time.Duration(due - swarm.Now())
		if left <= 0 {
			return true
		}
		if left <= 2*time.Millisecond {
			swarm.Sleep(left)
			return true
		}
		select {
		case <-p.halted:
			return false
		case <-time.After(left - 2*time.Millisecond):
		}
	}
}

func raise(v *atomic.Int64, to int64) {
	for old := v.Load(); old < to; old = v.Load() {
		if v.CompareAndSwap(old, to) {
			return
		}
	}
}

// note keeps how a publication went.
func (p *publisher) note(k, due, began, ended int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag.record(began - due)
	if err != nil {
		p.failed++
		p.failures[publishCause(err)]++
		return
	}
	if k > int64(p.plan.WarmUp) {
		p.took.record(ended - due)
	}
	for int((k-1)/64) >= len(p.accepted) {
		p.accepted = append(p.accepted, 0)
	}
	p.accepted[(k-1)/64] |= 1 << ((k - 1) % 64)
}

// halt ends the schedule; the publication in turn is ended.
func (p *publisher) halt() { p.once.Do(func() { close(p.halted) }) }

// published returns how many publications were begun.
func (p *publisher) published() int64 { return p.highest.Load() }

// account returns the last number of each channel, and the numbers that nobody
// has accepted.
func (p *publisher) account() (published []uint32, unsent map[int][]uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	channels := int64(len(p.plan.channels))
	published, unsent = make([]uint32, channels), map[int][]uint32{}
	for k := int64(1); k <= p.published(); k++ {
		ch, seq := int((k-1)%channels), uint32((k-1)/channels)+1
		published[ch] = seq
		if i := int((k - 1) / 64); i >= len(p.accepted) || p.accepted[i]>>((k-1)%64)&1 == 0 {
			unsent[ch] = append(unsent[ch], seq)
		}
	}
	return published, unsent
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP status %d: %s", e.status, e.body) }

// publishCause names an error so that equal ones can be counted.
func publishCause(err error) string {
	var status *statusError
	var sys *net.OpError
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + requestTimeout.String()
	case errors.As(err, &sys):
		return sys.Op + ": " + sys.Err.Error()
	}
	return err.Error()
}

// httpOutlet publishes by HTTP.
type httpOutlet struct {
	how    *Publish
	client *http.Client
	url    text
	body   text
	static bool // the URL has no placeholder
	buf    []byte
}

// newHTTPOutlet makes an outlet, at another base URL if that is not empty.
func newHTTPOutlet(p *Publish, base string) (*httpOutlet, error) {
	target := p.URL
	if base != "" {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, faultf("publish: %q is no http://host:port", base)
		}
		_, rest, _ := strings.Cut(target, "://")
		path := "/"
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			path = rest[i:]
		}
		target = u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/") + path
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return &httpOutlet{
		how: p, client: &http.Client{Transport: transport}, url: cut(target), body: cut(p.Body),
	}, nil
}

func (o *httpOutlet) publish(ctx context.Context, channel string, payload []byte) error {
	o.buf = o.url.fill(o.buf[:0], 0, url.PathEscape(channel), payload)
	target := string(o.buf)
	body := string(o.body.fill(o.buf[:0], 0, channel, payload))
	method := o.how.Method
	if method == "" {
		method = http.MethodPost
	}
	if o.how.Pusher != nil {
		var err error
		if target, err = signPusher(o.how.Pusher, method, target, body, time.Now()); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range o.how.Headers {
		req.Header.Set(name, value)
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
		}
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		s := strings.ToValidUTF8(strings.TrimSpace(string(said)), "?")
		return &statusError{resp.StatusCode, s[:min(len(s), 200)]}
	}
	return nil
}

func (o *httpOutlet) close() { o.client.CloseIdleConnections() }

// signPusher adds the parameters by which Pusher's HTTP API knows an app:
// HMAC-SHA256 over method, path and sorted parameters, MD5 of the body among
// them.
func signPusher(a *PusherAuth, method, target, body string, now time.Time) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	sum := md5.Sum([]byte(body))
	q := u.Query()
	q.Set("auth_key", a.Key)
	q.Set("auth_timestamp", strconv.FormatInt(now.Unix(), 10))
	q.Set("auth_version", "1.0")
	q.Set("body_md5", hex.EncodeToString(sum[:]))
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(method + "\n" + u.EscapedPath() + "\n" + q.Encode()))
	u.RawQuery = q.Encode() + "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
	return u.String(), nil
}

// wsOutlet publishes by a WebSocket client, which goes through the steps of the
// dialect first. It reads whatever comes, and lets it be.
type wsOutlet struct {
	conn net.Conn
	send text
	ends chan error
	buf  []byte
}

func dialOutlet(ctx context.Context, p *plan) (*wsOutlet, error) {
	send := p.dialect.Send
	if send == "" {
		send = "{payload}"
	}
	o := &wsOutlet{send: cut(send), ends: make(chan error, 1)}
	path := cut(p.path)
	target := "ws://" + p.host + string(path.fill(nil, p.Connections, p.channels[0], nil))
	header := http.Header{}
	for name, value := range p.dialect.Headers {
		header.Set(name, value)
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Protocols: p.dialect.Subprotocols, Host: p.dialect.Headers["Host"]}
	header.Del("Host")
	conn, early, _, err := dialer.Dial(ctx, target)
	if err != nil {
		return nil, err
	}
	o.conn = conn
	var from io.Reader = conn
	if early != nil {
		from = io.MultiReader(early, conn)
	}
	rw := struct {
		io.Reader
		io.Writer
	}{from, conn}
	conn.SetDeadline(time.Now().Add(p.Timeout))
	for _, s := range p.dialect.Steps {
		if s.Send != "" {
			t := cut(s.Send)
			err = wsutil.WriteClientText(conn, t.fill(nil, p.Connections, p.channels[0], nil))
		}
		for err == nil && s.Wait != "" {
			var b []byte
			if b, err = wsutil.ReadServerText(rw); err == nil && has(b, p.dialect.Refused) {
				err = fmt.Errorf("the server refused: %.200s", b)
			}
			if err == nil && strings.Contains(string(b), s.Wait) {
				break
			}
		}
		if err != nil {
			conn.Close()
			return nil, err
		}
	}
	conn.SetDeadline(time.Time{})
	go func() {
		for {
			if _, _, err := wsutil.ReadServerData(rw); err != nil {
				o.ends <- err
				return
			}
		}
	}()
	return o, nil
}

func (o *wsOutlet) publish(ctx context.Context, channel string, payload []byte) error {
	select {
	case err := <-o.ends:
		o.ends <- err
		return err
	default:
	}
	if end, ok := ctx.Deadline(); ok {
		o.conn.SetWriteDeadline(end)
	}
	o.buf = o.send.fill(o.buf[:0], 0, channel, payload)
	return wsutil.WriteClientText(o.conn, o.buf)
}

func (o *wsOutlet) close() {
	o.conn.Close()
	<-o.ends
}

// results fills in what the publisher knows.
func (p *publisher) results(m *Messages) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.Sent, m.Failed, m.Publish = p.published(), p.failed, p.took.latency()
	m.Failures = sorted(maps.Clone(p.failures))
}
