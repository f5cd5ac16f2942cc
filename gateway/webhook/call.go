package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	callTimeout = 5 * time.Second
	replyMost   = 64 << 10 // bytes of an answer that are read, so that the connection can be used again
)

// call is one request with what it has to tell.
type call struct {
	ep     *endpoint
	lanes  []*lane
	items  []*item // of them, oldest first
	ids    []uint64
	bodies [][]byte // nil: in the store only
	ms     int64
	sign   func(body []byte) (key, signature string)
}

// newClient returns the client for calls: a copy of one that follows no
// redirects, or one of its own.
func newClient(given *http.Client) *http.Client {
	c := http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: callTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxCalls,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    callTimeout,
		MaxResponseHeaderBytes: replyMost,
		DisableCompression:     true,
	}}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// makeCall sends and notes the outcome. It is a goroutine of its own.
func (q *Queue) makeCall(c *call) {
	defer q.calls.Done()
	err := q.fill(c)
	if err == nil {
		err = q.send(c)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settleCallLocked(c, err)
}

// fill reads the bodies that are in the store only. An event that is not there,
// as it never should be, is left out.
func (q *Queue) fill(c *call) error {
	missing := false
	for _, b := range c.bodies {
		missing = missing || b == nil
	}
	if !missing {
		return nil
	}
	list, err := q.store.bodies(c.ep.prefix, c.ids)
	if err != nil {
		return fmt.Errorf("reading the event: %w", err)
	}
	kept := c.bodies[:0]
	for i, b := range c.bodies {
		if b == nil {
			b = list[i]
		}
		if b != nil {
			kept = append(kept, b)
		}
	}
	c.bodies = kept
	return nil
}

// send posts the events. Any 2xx is success.
func (q *Queue) send(c *call) error {
	if len(c.bodies) == 0 {
		return nil
	}
	body := payload(c.ms, c.bodies)
	ctx, cancel := context.WithTimeout(c.ep.ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.ep.url, bytes.NewReader(body))
	if err != nil {
		return innermost(err)
	}
	key, signature := c.sign(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "stentor")
	req.Header.Set("X-Pusher-Key", key)
	req.Header.Set("X-Pusher-Signature", signature)
	resp, err := q.client.Do(req)
	if err != nil {
		return innermost(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, replyMost)) // if it fails, the answer came all the same
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answered %d", resp.StatusCode)
	}
	return nil
}

// innermost takes the URL out of an error: it may hold a secret.
func innermost(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
