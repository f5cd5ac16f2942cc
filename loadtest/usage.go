package loadtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stentor/loadtest/host"
	"stentor/loadtest/swarm"
)

// usage is what server and tool take at one moment.
type usage struct {
	server, own host.Usage
	slab        int64
	heap        int64 // live heap of the server, 0 if it does not tell
	busy        time.Duration
	at          int64 // swarm.Now; 0 if it was not read
}

// measure reads the usage. With heap the server is asked to collect its garbage
// first, which it may not be able to.
func (r *run) measure(ctx context.Context, heap bool) (u usage) {
	u.at = swarm.Now()
	if len(r.plan.PIDs) > 0 {
		u.server, _ = host.Processes(host.Tree(r.plan.PIDs...))
	}
	u.own, _ = host.Processes(r.ownPIDs())
	u.slab, _ = host.Slab()
	u.busy, _ = host.Busy()
	if heap {
		var err error
		if u.heap, err = r.plan.liveHeap(ctx); err != nil {
			r.note("%v", err)
		}
	}
	return u
}

// liveHeap is that of all servers whose metrics are to be read.
func (p *plan) liveHeap(ctx context.Context) (sum int64, err error) {
	for _, base := range p.Metrics {
		n, err := liveHeap(ctx, base)
		if err != nil {
			return 0, fmt.Errorf("--metrics: %s does not tell its heap: %w", base, err)
		}
		sum += n
	}
	return sum, nil
}

var metricsClient = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// liveHeap reads go_memstats_heap_alloc_bytes of base/metrics. Stentor collects
// its garbage on POST /debug/free; elsewhere garbage is in the figure.
func liveHeap(ctx context.Context, base string) (int64, error) {
	base = strings.TrimSuffix(strings.TrimRight(base, "/"), "/metrics")
	if req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/debug/free", nil); err == nil {
		if resp, err := metricsClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := metricsClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return parseHeap(io.LimitReader(resp.Body, 8<<20))
}

// parseHeap finds the live heap in Prometheus' text format.
func parseHeap(r io.Reader) (int64, error) {
	const name = "go_memstats_heap_alloc_bytes "
	for s := bufio.NewScanner(r); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil || !(v >= 0 && v <= 1<<60) {
				return 0, fmt.Errorf("cannot read %q", s.Text())
			}
			return int64(v), nil
		}
	}
	return 0, fmt.Errorf("there is no %sin /metrics", name)
}
