package gateway

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"stentor/gateway/webhook"
	"stentor/hub"
)

// metrics reads the counters of engine and hubs when it is asked for them, so
// that counting costs the hot paths no more than it must. The names are listed
// in docs/metrics.md.
type metrics struct {
	gateway *Gateway
	desc    map[string]*prometheus.Desc
}

func (g *Gateway) newRegistry() *prometheus.Registry {
	m := &metrics{gateway: g, desc: map[string]*prometheus.Desc{}}
	for _, d := range []struct{ name, help, labels string }{
		{"connections", "WebSocket connections that are open.", ""},
		{"sockets", "Sockets of the event loops: connections, handshakes and closing ones.", ""},
		{"http_connections", "Connections of the public listeners that are at net/http.", ""},
		{"accepted_total", "Connections accepted.", ""},
		{"accept_errors_total", "Failures to accept a connection.", ""},
		{"handshakes_total", "First requests of connections, by result.", "result"},
		{"closes_total", "WebSocket connections that ended, by reason.", "reason"},
		{"messages_received_total", "WebSocket messages received.", ""},
		{"messages_sent_total", "WebSocket frames sent or queued.", ""},
		{"received_bytes_total", "Bytes received by the event loops.", ""},
		{"sent_bytes_total", "Bytes sent by the event loops.", ""},
		{"pings_total", "Pings sent to silent connections.", ""},
		{"queued_bytes", "Bytes that wait for clients that read slowly.", ""},
		{"partial_bytes", "Memory held for requests and messages that are incomplete.", ""},
		{"loop_lag_seconds", "How late an event loop came to its last regular turn.", "loop"},
		{"apps", "Apps that are served, disabled ones included.", ""},
		{"app_reloads_total", "Changes of files of apps_dir, by result.", "result"},
		{"clients", "Clients, by app.", "app"},
		{"users", "Users with a client, by app.", "app"},
		{"channels", "Channels with a subscriber, by app.", "app"},
		{"subscriptions", "Subscriptions, by app.", "app"},
		{"publications_total", "Publications that reached the hub, by app.", "app"},
		{"publications_waiting", "Publications that wait for a fan-out worker, a shard each, by app.", "app"},
		{"deliveries_total", "Deliveries of a publication to a client, by outcome.", "outcome"},
		{"drops_total", "Frames that did not reach their connection's queue, by reason.", "reason"},
		{"publish_to_write_seconds", "Time from a publication to the write for a client.", ""},
		{"cache_bytes", "Memory of the last events of cache channels, by app.", "app"},
		{"client_events_total", "Client events of Pusher clients, by app and result.", "app result"},
		{"webhook_backlog", "Events that wait for webhooks, by app.", "app"},
		{"webhook_events_total", "Events for webhooks that wait no more, by app and result.", "app result"},
		{"webhook_failures_total", "Calls of webhooks without a good answer, by app.", "app"},
	} {
		m.desc[d.name] = prometheus.NewDesc("stentor_"+d.name, d.help, strings.Fields(d.labels), nil)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "stentor_build_info", Help: "1, with the version as a label."}, []string{"version"})
	build.WithLabelValues(Version()).Set(1)
	r.MustRegister(build)
	return r
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range m.desc {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	emit := func(kind prometheus.ValueType) func(name string, v float64, labels ...string) {
		return func(name string, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc[name], kind, v, labels...)
		}
	}
	gauge, counter := emit(prometheus.GaugeValue), emit(prometheus.CounterValue)
	s := m.gateway.engine.Stats()
	gauge("connections", float64(s.Connections))
	gauge("sockets", float64(s.Sockets))
	gauge("http_connections", float64(s.HTTP))
	counter("accepted_total", float64(s.Accepted))
	counter("accept_errors_total", float64(s.AcceptErrors))
	counter("messages_received_total", float64(s.MessagesIn))
	counter("messages_sent_total", float64(s.FramesOut))
	counter("received_bytes_total", float64(s.BytesIn))
	counter("sent_bytes_total", float64(s.BytesOut))
	counter("pings_total", float64(s.Pings))
	gauge("queued_bytes", float64(s.QueuedBytes))
	gauge("partial_bytes", float64(s.PartialBytes))
	for result, n := range s.Handshakes {
		counter("handshakes_total", float64(n), result)
	}
	for reason, n := range s.Closes {
		counter("closes_total", float64(n), reason)
	}
	for reason, n := range s.Drops {
		counter("drops_total", float64(n), reason)
	}
	for i, lag := range s.LoopLag {
		gauge("loop_lag_seconds", lag.Seconds(), strconv.Itoa(i))
	}
	gauge("apps", float64(len(m.gateway.apps.all())))
	counter("app_reloads_total", float64(m.gateway.folder.ok.Load()), "ok")
	counter("app_reloads_total", float64(m.gateway.folder.failed.Load()), "failed")
	m.collectHubs(ch, gauge, counter)
	m.collectHooks(gauge, counter)
}

func (m *metrics) collectHubs(ch chan<- prometheus.Metric, gauge, counter func(string, float64, ...string)) {
	for _, a := range m.gateway.apps.all() {
		s := a.hub.Stats()
		gauge("clients", float64(s.Clients), a.id)
		gauge("users", float64(s.Users), a.id)
		gauge("channels", float64(s.Channels), a.id)
		gauge("subscriptions", float64(s.Subscriptions), a.id)
		gauge("publications_waiting", float64(s.Waiting), a.id)
		counter("publications_total", float64(s.Publications), a.id)
		gauge("cache_bytes", float64(a.cache.memory()), a.id)
		counter("client_events_total", float64(a.clientEvents.sent.Load()), a.id, "sent")
		counter("client_events_total", float64(a.clientEvents.refused.Load()), a.id, "refused")
	}
	all := m.gateway.apps.total()
	counter("deliveries_total", float64(all.Written), "written")
	counter("deliveries_total", float64(all.Queued), "queued")
	counter("deliveries_total", float64(all.Dropped), "dropped")
	ch <- histogram(m.desc["publish_to_write_seconds"], &all.Latency)
}

// collectHooks adds up the endpoints of each app, whose addresses may hold words
// that are not for everybody.
func (m *metrics) collectHooks(gauge, counter func(string, float64, ...string)) {
	q := m.gateway.hooks.Load()
	if q == nil {
		return
	}
	sums := map[string]*webhook.Stats{}
	for _, s := range q.Stats() {
		sum := sums[s.App]
		if sum == nil {
			sum = new(webhook.Stats)
			sums[s.App] = sum
		}
		sum.Backlog += s.Backlog
		sum.Delivered += s.Delivered
		sum.Failed += s.Failed
		sum.Overflow += s.Overflow
		sum.Expired += s.Expired
	}
	for app, s := range sums {
		gauge("webhook_backlog", float64(s.Backlog), app)
		counter("webhook_events_total", float64(s.Delivered), app, "delivered")
		counter("webhook_events_total", float64(s.Overflow), app, "overflow")
		counter("webhook_events_total", float64(s.Expired), app, "expired")
		counter("webhook_failures_total", float64(s.Failed), app)
	}
}

func histogram(desc *prometheus.Desc, h *hub.Histogram) prometheus.Metric {
	buckets := make(map[float64]uint64, len(hub.LatencyBounds))
	var total uint64
	for i, bound := range hub.LatencyBounds {
		total += h.Counts[i]
		buckets[bound.Seconds()] = total
	}
	total += h.Counts[len(hub.LatencyBounds)]
	return prometheus.MustNewConstHistogram(desc, total, h.Sum.Seconds(), buckets)
}
