package gateway

import (
	"time"

	"stentor/protocol"
)

// Config is everything that can be set. The tags are the keys of the file; a
// flag is named after the key (--limits.max-connections), an environment
// variable too (STENTOR_LIMITS__MAX_CONNECTIONS). What a key means stands in
// docs/configuration.md, and in a word in the help.
type Config struct {
	Listen      []string      `koanf:"listen" help:"public addresses: WebSocket, HTTP API and pages"`
	Admin       string        `koanf:"admin" help:"admin address: health, metrics, profiles, and the API once more"`
	ReusePort   bool          `koanf:"reuse_port" help:"let several processes share the public ports"`
	Echo        bool          `koanf:"echo" help:"serve /echo"`
	DrainWindow time.Duration `koanf:"drain_window" help:"time over which a stop spreads the closes"`
	DataDir     string        `koanf:"data_dir" help:"folder for what must survive a restart"`
	AppsDir     string        `koanf:"apps_dir" help:"folder with one YAML file for each app"`
	TLS         TLS           `koanf:"tls"`
	Compression string        `koanf:"compression" help:"off or on"`
	Limits      Limits        `koanf:"limits"`
	Apps        []App         `koanf:"apps"`
}

// TLS names the files of a certificate.
type TLS struct {
	Cert string `koanf:"cert" help:"certificate file, PEM"`
	Key  string `koanf:"key" help:"key file, PEM"`
}

// Limits bound what clients can take. 0 is no limit where a comment does not
// say otherwise.
type Limits struct {
	MaxConnections      int           `koanf:"max_connections" help:"WebSocket connections; 0: no limit"`
	MaxConnectionsPerIP int           `koanf:"max_connections_per_ip" help:"connections of one address (IPv6: /64); 0: no limit"`
	MaxHTTPConnections  int           `koanf:"max_http_connections" help:"connections that are no WebSocket"`
	MaxSubscriptions    int           `koanf:"max_subscriptions" help:"channels that one client may be subscribed to; 0: no limit"`
	HandshakeTimeout    time.Duration `koanf:"handshake_timeout" help:"time for a whole request head"`
	MaxHeaderBytes      int           `koanf:"max_header_bytes" help:"size of a request head"`
	MaxMessageBytes     int           `koanf:"max_message_bytes" help:"size of an incoming message, and of the data of a publication"`
	AcceptRate          int           `koanf:"accept_rate" help:"connections accepted a second; 0: no limit"`
	QueueBytes          int           `koanf:"queue_bytes" help:"bytes that may wait for a client that reads slowly"`
	IdleTimeout         time.Duration `koanf:"idle_timeout" help:"silence after which the server pings"`
	PongTimeout         time.Duration `koanf:"pong_timeout" help:"silence after that ping that ends the connection"`
}

// App is a tenant: its clients and channels are apart from those of others.
type App struct {
	ID             string `koanf:"id"`
	Key            string `koanf:"key"`             // public: names the app in a client's URL
	Secret         string `koanf:"secret"`          // private: signs tokens and opens the API
	PreviousSecret string `koanf:"previous_secret"` // as good as Secret, while that is being changed; signs nothing of ours
	Disabled       bool   `koanf:"disabled"`        // it is known, and lets nobody in

	AllowedOrigins       []string      `koanf:"allowed_origins"`
	Anonymous            bool          `koanf:"anonymous"` // native and raw clients without a token
	AuthorizationTimeout time.Duration `koanf:"authorization_timeout"`

	ClientEvents bool `koanf:"client_events"`
	Watchlist    bool `koanf:"watchlist"`
	SubCount     bool `koanf:"subscription_count"`

	// 0 is no limit where a comment does not say otherwise.
	MaxConnections   int `koanf:"max_connections"`
	MaxSubscriptions int `koanf:"max_subscriptions"` // 0: Limits.MaxSubscriptions counts
	MaxChannelName   int `koanf:"max_channel_name"`  // bytes, at least 1
	EventRate        int `koanf:"client_event_rate"` // a second and client
	MaxEventBytes    int `koanf:"max_event_bytes"`
	PresenceMax      int `koanf:"presence_max_members"`
	PresenceInfoMax  int `koanf:"presence_max_info_bytes"`
	APIRate          int `koanf:"api_rate"` // requests a second

	Webhooks []Webhook `koanf:"webhooks"`

	// Development marks the app that exists while none is configured: its
	// clients may do everything.
	Development bool `koanf:"-"`
}

// Webhook is an address that is told of events.
type Webhook struct {
	URL           string   `koanf:"url"`
	Events        []string `koanf:"events"`         // of webhook.Names; empty: all but subscription_count
	ChannelPrefix string   `koanf:"channel_prefix"` // only events of channels that begin so
	Batch         bool     `koanf:"batch"`          // several events may be told at once
}

// Default returns the configuration of `stentor serve` with nothing else.
func Default() Config {
	return Config{
		Listen:      []string{"127.0.0.1:8080"},
		Admin:       "127.0.0.1:8081",
		DrainWindow: 30 * time.Second,
		Compression: "off",
		Limits: Limits{
			MaxHTTPConnections: 1024,
			MaxSubscriptions:   1000,
			HandshakeTimeout:   5 * time.Second,
			MaxHeaderBytes:     16384,
			MaxMessageBytes:    65536,
			QueueBytes:         1048576,
			IdleTimeout:        120 * time.Second,
			PongTimeout:        30 * time.Second,
		},
	}
}

// defaultApp has the values of an app's keys that are left out.
func defaultApp() App {
	return App{ClientEvents: true, MaxChannelName: protocol.MaxChannelName, EventRate: 10, MaxEventBytes: 10240,
		PresenceMax: 100, PresenceInfoMax: 1024}
}

// developmentApp is the app while none is configured.
func developmentApp() App {
	a := defaultApp()
	a.ID, a.Key, a.Secret = "dev", "dev-key", "dev-secret"
	a.Anonymous, a.Development = true, true
	a.EventRate = 0
	return a
}

// development reports whether the development app is served.
func (c Config) development() bool { return len(c.Apps) == 0 && c.AppsDir == "" }

// withDevelopment adds the development app if it is served.
func (c Config) withDevelopment() Config {
	if c.development() {
		c.Apps = []App{developmentApp()}
	}
	return c
}
