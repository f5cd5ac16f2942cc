package main

import (
	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
)

// budget is a figure's promise and what its measurement takes.
type budget struct {
	report.Budget
	needs rig.Needs
}

// budgets returns the figures in the order in which they are told.
func budgets(p *Plan) []budget {
	many := rig.Needs{Connections: p.Connections}
	with := func(n rig.Needs, change func(*rig.Needs)) rig.Needs { change(&n); return n }
	rss := with(many, func(n *rig.Needs) { n.RSS = true })
	cpu := with(many, func(n *rig.Needs) { n.CPU = true })
	limit := func(unit report.Unit, name string, limit, goal float64) report.Budget {
		return report.Budget{Name: name, Unit: unit, Limit: limit, Goal: goal}
	}
	delivery := limit(report.Ratio, deliveryCPU, 1.10, 1.05)
	rate := limit(report.Ratio, deliveryRate, 1.10, 1.25)
	rate.AtLeast = true
	return []budget{
		{limit(report.Bytes, idleHeap, 300, 260), many},
		{limit(report.Bytes, idleRSS, 350, 0), rss},
		{limit(report.Bytes, idleRSSUnforced, 450, 0), rss},
		{limit(report.Bytes, userHeap, 512, 400), many},
		{limit(report.Bytes, ownChannelHeap, 900, 700), many},
		{limit(report.Bytes, pusherHeap, 768, 0), many},
		{delivery, cpu},
		{rate, with(many, func(n *rig.Needs) { n.Cores = 2 })},
		{limit(report.Ratio, burstCPU, 0.15, 0.10), cpu},
		{limit(report.Ratio, pusherDeliveryCPU, delivery.Limit, delivery.Goal), cpu},
		{limit(report.Ratio, handshakeCPU, 1.25, 1.15), rig.Needs{Connections: p.Handshakes, CPU: true}},
		{limit(report.Ratio, echoCPU, 1.05, 0.95), rig.Needs{Connections: p.EchoConnections, CPU: true}},
		{limit(report.Allocs, parseAllocs, 0, 0), rig.Needs{}},
		{limit(report.Allocs, dispatchAllocs, 0, 0), rig.Needs{}},
		{limit(report.Allocs, deliveryAllocs, 0, 0), many},
	}
}

// Names of the figures.
const (
	idleHeap          = "idle_heap_bytes"
	idleRSS           = "idle_rss_bytes"
	idleRSSUnforced   = "idle_rss_unforced_bytes"
	userHeap          = "user_heap_bytes"
	ownChannelHeap    = "own_channel_heap_bytes"
	pusherHeap        = "pusher_heap_bytes"
	deliveryCPU       = "delivery_cpu_ratio"
	deliveryRate      = "delivery_rate_ratio"
	burstCPU          = "burst_delivery_cpu_ratio"
	pusherDeliveryCPU = "pusher_delivery_cpu_ratio"
	handshakeCPU      = "handshake_cpu_ratio"
	echoCPU           = "echo_cpu_ratio"
	parseAllocs       = "parse_allocs"
	dispatchAllocs    = "dispatch_allocs"
	deliveryAllocs    = "delivery_allocs"
)
