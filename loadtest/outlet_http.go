package loadtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// httpOutlet publishes by HTTP.
type httpOutlet struct {
	how    *Publish
	client *http.Client
	url    text
	body   text
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
	// A redirection is no success: behind it is a login page, for example.
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &httpOutlet{
		how: p, client: client, url: cut(target), body: cut(p.Body),
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
		return &statusError{resp.StatusCode, excerpt(said)}
	}
	return nil
}

func (o *httpOutlet) close() { o.client.CloseIdleConnections() }

// statusError is an answer that is no success.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string {
	if e.body == "" {
		return fmt.Sprintf("HTTP status %d", e.status)
	}
	return fmt.Sprintf("HTTP status %d: %s", e.status, e.body)
}
