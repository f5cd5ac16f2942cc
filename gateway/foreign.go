package gateway

import (
	"log/slog"
	"sync"
)

// foreignKept bounds how many origins are told of, since anybody can invent
// more.
const foreignKept = 100

// foreign tells, once for each, which origins were turned away: a browser does
// not say it to its page, so whoever forgot an origin looks in the log.
type foreign struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (f *foreign) tell(log *slog.Logger, app, origin string) {
	const most = 200
	origin = origin[:min(len(origin), most)]
	f.mu.Lock()
	known := f.seen[origin] || len(f.seen) == foreignKept
	if !known {
		if f.seen == nil {
			f.seen = map[string]bool{}
		}
		f.seen[origin] = true
	}
	f.mu.Unlock()
	if !known {
		log.Warn("a page of an origin that is not among allowed_origins was turned away", "app", app, "origin", origin)
	}
}
