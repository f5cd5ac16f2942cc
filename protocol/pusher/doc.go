// Package pusher is compatible with the Pusher Channels protocol, version 7: the
// messages of its WebSocket, the requests of its HTTP API, and the signatures of
// both. It translates and checks form; what a client may do is the gateway's to
// decide. All functions may be called by any goroutine.
package pusher

// Codes of Close frames and of pusher:error. Clients stop for good at 4000 to
// 4099, except that 4000 makes them try TLS; come back after a second at 4100 to
// 4199, and at once at 4200 to 4299. Codes from 4300 on must never close: they
// are for pusher:error only.
const (
	CodeTLSOnly      = 4000 // the app is served by TLS only
	CodeUnknownApp   = 4001
	CodeDisabled     = 4003 // the app is
	CodeQuota        = 4004 // the app has all connections that it may have
	CodePath         = 4005
	CodeBadVersion   = 4006 // the protocol's version is not a number
	CodeUnsupported  = 4007 // it is one that is not spoken here
	CodeNoVersion    = 4008
	CodeUnauthorized = 4009
	CodeOverCapacity = 4100
	CodeReconnect    = 4200
	CodePongMissing  = 4201
	CodeInactive     = 4202
	CodeClientEvent  = 4301 // too many client events
	CodeWatchlist    = 4302 // longer than MaxWatchlist
)
