package gateway

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// whole is a file with every key that this version acts on.
const whole = `
listen: [127.0.0.1:9000, "[::1]:9000", "unix:/tmp/stentor-test.sock"]
admin: 127.0.0.1:9001
reuse_port: true
echo: true
drain_window: 45s
data_dir: /var/lib/stentor
compression: off
limits:
  max_connections: 100000
  max_connections_per_ip: 50
  max_http_connections: 512
  max_subscriptions: 20
  handshake_timeout: 2s
  max_header_bytes: 8192
  max_message_bytes: 32768
  accept_rate: 5000
  queue_bytes: 524288
  idle_timeout: 1m
  pong_timeout: 10s
apps:
  - id: shop
    key: shop-key
    secret: shop-secret
    allowed_origins: [https://shop.example]
    anonymous: true
    presence_max_members: 500
    previous_secret: shop-secret-before
    disabled: true
    authorization_timeout: 30s
    max_connections: 1000
    max_subscriptions: 50
    max_channel_name: 100
    presence_max_info_bytes: 512
    api_rate: 20
    webhooks: [{url: http://127.0.0.1:6999/webhook, events: [channel_occupied], channel_prefix: order-, batch: true}]
  - {id: other, key: other-key, secret: other-secret, client_events: false}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stentor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	c, err := Load(write(t, whole), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: []string{"127.0.0.1:9000", "[::1]:9000", "unix:/tmp/stentor-test.sock"}, Admin: "127.0.0.1:9001",
		ReusePort: true, Echo: true, DrainWindow: 45 * time.Second, DataDir: "/var/lib/stentor", Compression: "off",
		Limits: Limits{100000, 50, 512, 20, 2 * time.Second, 8192, 32768, 5000, 524288, time.Minute, 10 * time.Second},
		Apps: []App{
			{ID: "shop", Key: "shop-key", Secret: "shop-secret", AllowedOrigins: []string{"https://shop.example"}, Anonymous: true,
				PreviousSecret: "shop-secret-before", Disabled: true, AuthorizationTimeout: 30 * time.Second,
				MaxConnections: 1000, MaxSubscriptions: 50, MaxChannelName: 100, PresenceInfoMax: 512, APIRate: 20,
				ClientEvents: true, EventRate: 10, MaxEventBytes: 10240, PresenceMax: 500,
				Webhooks: []Webhook{{"http://127.0.0.1:6999/webhook", []string{"channel_occupied"}, "order-", true}}},
			{ID: "other", Key: "other-key", Secret: "other-secret", MaxChannelName: 164, EventRate: 10, MaxEventBytes: 10240, PresenceMax: 100, PresenceInfoMax: 1024},
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("loaded  %+v\nwant    %+v", c, want)
	}
}

// A flag wins over the environment, the environment over the file, the file
// over the default.
func TestPrecedence(t *testing.T) {
	path := write(t, "admin: 127.0.0.1:1\ndrain_window: 1s\nlimits: {max_connections: 1, queue_bytes: 11111}\n")
	env := []string{"STENTOR_ADMIN=127.0.0.1:2", "STENTOR_LIMITS__MAX_CONNECTIONS=2", "STENTOR_LISTEN=127.0.0.1:2,127.0.0.1:3", "STENTOR_ECHO=true", "OTHER=x", "STENTOR_DRAIN_WINDOW=2s"}
	flags := map[string]any{"limits.max_connections": "3", "drain_window": "3s"}
	c, err := Load(path, env, flags)
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin != "127.0.0.1:2" || c.Limits.MaxConnections != 3 || c.DrainWindow != 3*time.Second || c.Limits.QueueBytes != 11111 ||
		!reflect.DeepEqual(c.Listen, []string{"127.0.0.1:2", "127.0.0.1:3"}) || !c.Echo || c.Limits.IdleTimeout != 120*time.Second {
		t.Errorf("loaded %+v", c)
	}
	for _, from := range []struct {
		env   []string
		flags map[string]any
	}{
		{env: []string{"STENTOR_LISTEN=127.0.0.1:1, 127.0.0.1:2 "}},
		{flags: map[string]any{"listen": []string{"127.0.0.1:1", " 127.0.0.1:2"}}},
	} {
		if c, err := Load("", from.env, from.flags); err != nil || !reflect.DeepEqual(c.Listen, []string{"127.0.0.1:1", "127.0.0.1:2"}) {
			t.Errorf("spaces between addresses: %q, %v", c.Listen, err)
		}
	}
	one, err := Load(write(t, "listen: 127.0.0.1:7\n"), nil, nil)
	if err != nil || !reflect.DeepEqual(one.Listen, []string{"127.0.0.1:7"}) {
		t.Errorf("a single address: %v, %v", one.Listen, err)
	}
}

// Every key can be set by a flag and by the environment, and has a help text.
func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Help == "" && !strings.HasPrefix(k.Name, "apps") {
			t.Errorf("%s has no help", k.Name)
		}
		if seen[k.Env()] || strings.Contains(k.Flag(), "_") {
			t.Errorf("%s: flag %s, variable %s", k.Name, k.Flag(), k.Env())
		}
		seen[k.Env()] = true
	}
	for _, want := range []string{"STENTOR_LISTEN", "STENTOR_LIMITS__MAX_CONNECTIONS", "STENTOR_TLS__CERT", "STENTOR_REUSE_PORT"} {
		if !seen[want] {
			t.Errorf("there is no %s", want)
		}
	}
}

// One document may begin with --- and end with ..., and its text may be of any
// script.
func TestDocument(t *testing.T) {
	c, err := Load(write(t, "# ours\n---\napps: [{id: a, key: b, secret: тайна-秘密}]\n...\n# the end\n"), nil, nil)
	if err != nil || c.Validate() != nil || c.Apps[0].Secret != "тайна-秘密" {
		t.Errorf("%+v, %v", c.Apps, err)
	}
	for _, empty := range []string{"", "# nothing yet\n", "---\n"} {
		if c, err := Load(write(t, empty), nil, nil); err != nil || !reflect.DeepEqual(c, Default()) {
			t.Errorf("%q: %+v, %v", empty, c, err)
		}
	}
}

// What cannot be read is told by key.
func TestLoadErrors(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		env  []string
		says []string
	}{
		"unknown key":           {"lisen: 127.0.0.1:1", nil, []string{"lisen: there is no such key; did you mean listen?"}},
		"unknown below":         {"limits: {max_conections: 1}", nil, []string{"limits.max_conections: there is no such key; did you mean max_connections?"}},
		"unknown in an app":     {"apps: [{id: a, key: b, secrets: c}]", nil, []string{"apps[0].secrets: there is no such key; did you mean secret?"}},
		"unknown in a webhook":  {"apps: [{webhooks: [{uri: x}]}]", nil, []string{"apps[0].webhooks[0].uri: there is no such key"}},
		"several at once":       {"a: 1\nb: 2", nil, []string{"a: there", "b: there"}},
		"unknown variable":      {"", []string{"STENTOR_LISTN=x"}, []string{"STENTOR_LISTN: there is no such key; did you mean STENTOR_LISTEN?"}},
		"apps in a variable":    {"", []string{"STENTOR_APPS__0__ID=x"}, []string{"config file and in apps_dir only"}},
		"not YAML":              {"listen: [", nil, []string{"stentor.yaml"}},
		"a text for a number":   {"limits: {max_connections: many}", nil, []string{"limits.max_connections"}},
		"a number for a time":   {"drain_window: 30", nil, []string{"drain_window", "no unit"}},
		"a bad time":            {"drain_window: soon", nil, []string{"drain_window"}},
		"keys under a value":    {"admin: {host: x}", nil, []string{"admin: must be a single value"}},
		"a value for keys":      {"limits: 5", nil, []string{"limits: must have keys below it"}},
		"a bad variable":        {"", []string{"STENTOR_LIMITS__QUEUE_BYTES=lots"}, []string{"limits.queue_bytes"}},
		"a list where one goes": {"admin: [a, b]", nil, []string{"admin"}},
		"a number for a text":   {"apps: [{id: 7, key: 1e3, secret: 0123456789}]", nil, []string{"apps[0].id: YAML", "apps[0].key: YAML", "apps[0].secret: YAML does not read this as text: put it in quotes"}},
		"a boolean for a text":  {"apps: [{secret: true}]\ncompression: true\nadmin: 8081", nil, []string{"apps[0].secret: YAML", "compression: YAML", "admin: YAML"}},
		"a date for a text":     {"apps: [{key: 2026-01-02}]", nil, []string{"apps[0].key: YAML"}},
		"texts of a list":       {"listen: 8080\napps: [{allowed_origins: [1, x]}]", nil, []string{"listen[0]: YAML", "apps[0].allowed_origins[0]: YAML"}},
		"a broken number":       {"limits: {max_connections: 1.9, accept_rate: true}", nil, []string{"limits.max_connections: 1.9 is not a whole", "limits.accept_rate: true is not a whole"}},
		"a hexadecimal number":  {"", []string{"STENTOR_LIMITS__QUEUE_BYTES=0x800"}, []string{`limits.queue_bytes (STENTOR_LIMITS__QUEUE_BYTES): "0x800" is not a whole number`}},
		"a number for a switch": {"echo: 1", nil, []string{"echo: 1 is neither true nor false"}},
		"a switch for a time":   {"drain_window: true", nil, []string{"drain_window: must be a time"}},
		"a port of ours":        {"", []string{"STENTOR_PORT=9000"}, []string{"STENTOR_PORT: there is no such key"}},
		"two documents":         {"echo: true\n---\napps: [{id: a, key: a, secret: a-long-word}]", nil, []string{"stentor.yaml", "only one document", "remove the line ---"}},
		"an empty second one":   {"echo: true\n---\n", nil, []string{"only one document"}},
		"a broken second one":   {"echo: true\n---\n[", nil, []string{"only one document"}},
		"apps of nothing":       {"apps:\n", nil, []string{"apps: is empty: list an app below it (- id: ...), or leave apps out"}},
		"apps of an empty list": {"apps: []", nil, []string{"apps: is empty"}},
		"apps of a text":        {"apps: foo", nil, []string{"apps: must be a list: - id: ..."}},
		"apps of keys":          {"apps: {id: a, key: b, secret: c}", nil, []string{"apps: must be a list: - id: ..."}},
		"apps of no keys":       {"apps: {}", nil, []string{"apps: must be a list: - id: ..."}},
		"a text in apps":        {"apps: [{id: a}, foo]", nil, []string{"apps[1]: is no app: apps must be a list: - id: ..."}},
		"nothing in apps":       {"apps:\n  -\n", nil, []string{"apps[0]: is no app"}},
		"a dotted key":          {"limits.max_connections: 5", nil, []string{"limits.max_connections: write it as limits: with max_connections: below it"}},
		"a dotted unknown key":  {"limit.max_connections: 5\nadmin.port: 1", nil, []string{"limit.max_connections: there is no such key", "admin.port: there is no such key"}},
		"a time without a unit": {"", []string{"STENTOR_DRAIN_WINDOW=10"}, []string{"drain_window (STENTOR_DRAIN_WINDOW): 10 has no unit: write 10s or 10ms"}},
		"a bad time by name":    {"", []string{"STENTOR_LIMITS__IDLE_TIMEOUT=soon"}, []string{"limits.idle_timeout (STENTOR_LIMITS__IDLE_TIMEOUT): must be a time"}},
		"nearly a service's":    {"", []string{"STENTOR_ADMIN_PORT=8081"}, []string{"STENTOR_ADMIN_PORT: there is no such key"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, c.file), c.env, nil)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q, want %q in it", err, s)
				}
			}
		})
	}
	if _, err := Load("/no/such/file.yaml", nil, nil); err == nil || !strings.Contains(err.Error(), "/no/such/file.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	// A flag's fault is not the variable's that it wins over.
	if _, err := Load("", []string{"STENTOR_ADMIN=x", "STENTOR_ECHO=true"}, map[string]any{"echo": "perhaps"}); err == nil || strings.Contains(err.Error(), "STENTOR_") {
		t.Errorf("error %v", err)
	}
	// A fault does not tell a secret.
	if _, err := Load(write(t, "apps: [{secret: 123456789}]"), nil, nil); err == nil || strings.Contains(err.Error(), "123456789") {
		t.Errorf("error %v", err)
	}
}

// What Kubernetes sets for services of our name is not meant for us, nor are
// the variables of the client commands.
func TestForeignVariables(t *testing.T) {
	for _, service := range []string{"STENTOR", "STENTOR_ADMIN", "STENTOR_LIMITS", "STENTOR_X_2"} {
		if _, err := Load("", []string{
			service + "_SERVICE_HOST=10.0.0.1", service + "_SERVICE_PORT=8081", service + "_SERVICE_PORT_HTTP_API=8081",
			service + "_PORT=tcp://10.0.0.1:8081", service + "_PORT_8081_TCP=tcp://10.0.0.1:8081", service + "_PORT_8081_TCP_PROTO=tcp",
			service + "_PORT_8081_TCP_PORT=8081", service + "_PORT_8081_TCP_ADDR=10.0.0.1", service + "_PORT_53_UDP=udp://10.0.0.1:53",
		}, nil); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
	if _, err := Load("", []string{"STENTOR_URL=http://x", "STENTOR_TOKEN=x", "STENTOR_SECRET=x"}, nil); err != nil {
		t.Error(err)
	}
}

// Numbers are decimal wherever they come from, and an empty variable is none.
func TestNumbers(t *testing.T) {
	c, err := Load(write(t, "limits: {accept_rate: 7, queue_bytes: 1e6, max_connections: 5}"),
		[]string{"STENTOR_LIMITS__MAX_SUBSCRIPTIONS=010", "STENTOR_LIMITS__MAX_CONNECTIONS=", "STENTOR_ADMIN=", "STENTOR_DRAIN_WINDOW="},
		map[string]any{"limits.accept_rate": "0010"})
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Limits; l.AcceptRate != 10 || l.MaxSubscriptions != 10 || l.QueueBytes != 1000000 || l.MaxConnections != 5 ||
		c.Admin != Default().Admin || c.DrainWindow != Default().DrainWindow {
		t.Errorf("loaded %+v", c)
	}
}

func TestValidate(t *testing.T) {
	app := func(change func(*App)) func(*Config) { return oneApp(change) }
	for name, c := range map[string]struct {
		change func(*Config)
		says   string // empty: valid
	}{
		"default":               {nil, ""},
		"open with an app":      {func(c *Config) { app(nil)(c); c.Listen = []string{"0.0.0.0:80", "[::]:81", ":82"} }, ""},
		"open in development":   {func(c *Config) { c.Listen = []string{"0.0.0.0:8080"} }, "listen: 0.0.0.0:8080 is reachable from outside"},
		"all in development":    {func(c *Config) { c.Listen = []string{":8080"} }, "configure an app under apps"},
		"a name in development": {func(c *Config) { c.Listen = []string{"example.com:80"} }, "listen: "},
		"admin in development":  {func(c *Config) { c.Admin = "0.0.0.0:8081" }, "admin: 0.0.0.0:8081"},
		"localhost":             {func(c *Config) { c.Listen = []string{"localhost:1", "[::1]:2", "127.9.9.9:3", "unix:/x"} }, ""},
		"no address":            {func(c *Config) { c.Listen = nil }, "listen: no address"},
		"no port":               {func(c *Config) { c.Listen = []string{"127.0.0.1"} }, "host:port"},
		"a bad port":            {func(c *Config) { c.Listen = []string{"127.0.0.1:99999"} }, "no valid port"},
		"admin on a public one": {func(c *Config) { c.Admin = c.Listen[0] }, "admin: 127.0.0.1:8080 is the same as 127.0.0.1:8080 of listen"},
		"the same twice":        {func(c *Config) { c.Listen = []string{"127.0.0.1:80", "127.0.0.1:http"} }, "listen: 127.0.0.1:http is the same as 127.0.0.1:80 of listen"},
		"all, written twice":    {func(c *Config) { app(nil)(c); c.Listen = []string{":80", "[::]:80"} }, "listen: [::]:80 is the same as :80"},
		"a path twice":          {func(c *Config) { c.Listen = []string{"unix:/x/s", "unix:/x//s"} }, "listen: unix:/x//s is the same as unix:/x/s"},
		"any port, twice":       {func(c *Config) { c.Listen, c.Admin = []string{"127.0.0.1:0", "127.0.0.1:0"}, "127.0.0.1:0" }, ""},
		"a path like any port":  {func(c *Config) { c.Listen = []string{"unix:/x:0", "unix:/x:0"} }, "the same"},
		"unix without path":     {func(c *Config) { c.Listen = []string{"unix:"} }, "without a path"},
		"unix path too long":    {func(c *Config) { c.Listen = []string{"unix:/" + strings.Repeat("x", 120)} }, "107"},
		"tls":                   {func(c *Config) { c.TLS.Cert = "x" }, "tls: "},
		"compression":           {func(c *Config) { c.Compression = "on" }, "compression: "},
		"compression unknown":   {func(c *Config) { c.Compression = "zip" }, `"zip"`},
		"apps_dir":              {func(c *Config) { c.AppsDir = "no/such/folder" }, "apps_dir: open no/such/folder: no such file"},
		"a negative limit":      {func(c *Config) { c.Limits.MaxConnections = -1 }, "limits.max_connections: is -1"},
		"too small":             {func(c *Config) { c.Limits.QueueBytes = 1 }, "limits.queue_bytes: is 1, must be at least 1024"},
		"too large":             {func(c *Config) { c.Limits.MaxMessageBytes = 1 << 31 }, "at most"},
		"a timeout of nothing":  {func(c *Config) { c.Limits.IdleTimeout = 0 }, "limits.idle_timeout"},
		"a negative window":     {func(c *Config) { c.DrainWindow = -1 }, "drain_window"},
		"no id":                 {app(func(a *App) { a.ID = "" }), "apps[0].id: is missing"},
		"no secret":             {app(func(a *App) { a.Secret = "" }), "apps[0].secret: is missing"},
		"a short secret":        {app(func(a *App) { a.Secret = "short" }), "apps[0].secret: has 5"},
		"a masked secret":       {app(func(a *App) { a.Secret = "********" }), "apps[0].secret: is ********, which checkconfig prints"},
		"a bad key":             {app(func(a *App) { a.Key = "a b" }), "apps[0].key"},
		"a bad origin":          {app(func(a *App) { a.AllowedOrigins = []string{"shop.example"} }), "apps[0].allowed_origins"},
		"an origin with a path": {app(func(a *App) { a.AllowedOrigins = []string{"https://shop.example/x"} }), "allowed_origins"},
		"a bad webhook":         {app(func(a *App) { a.Webhooks = []Webhook{{URL: "ftp://x"}} }), "apps[0].webhooks[0].url"},
		"a good webhook": {app(func(a *App) {
			a.Webhooks = []Webhook{{URL: "http://x/y", Events: []string{"member_added", "subscription_count"}}}
		}), ""},
		"a bad event": {app(func(a *App) {
			a.Webhooks = []Webhook{{URL: "http://x/y"}, {URL: "http://x", Events: []string{"member_joined"}}}
		}), `apps[0].webhooks[1].events: there is no event "member_joined": use some of channel_occupied`},
		"a rotation":            {app(func(a *App) { a.PreviousSecret = "another-long-word" }), ""},
		"a short secret before": {app(func(a *App) { a.PreviousSecret = "short" }), "apps[0].previous_secret: has 5"},
		"a masked one before":   {app(func(a *App) { a.PreviousSecret = "********" }), "apps[0].previous_secret: is ****"},
		"a secret of twice":     {app(func(a *App) { a.PreviousSecret = a.Secret }), "apps[0].previous_secret: is the same as secret: leave it out"},
		"a short channel name":  {app(func(a *App) { a.MaxChannelName = 0 }), "apps[0].max_channel_name: is 0, must be from 1 to 164"},
		"a long channel name":   {app(func(a *App) { a.MaxChannelName = 165 }), "apps[0].max_channel_name: is 165"},
		"a short authorisation": {app(func(a *App) { a.AuthorizationTimeout = time.Millisecond }), "apps[0].authorization_timeout: is 1ms"},
		"a negative app limit":  {app(func(a *App) { a.PresenceMax = -1 }), "apps[0].presence_max_members"},
		"twins": {func(c *Config) {
			app(nil)(c)
			c.Apps = append(c.Apps, c.Apps[0])
			c.Apps[1].ID, c.Apps[1].Key = "b", "b"
		},
			"apps[1].secret: is the same as apps[0].secret"},
		"twins of a secret before": {func(c *Config) {
			app(nil)(c)
			c.Apps = append(c.Apps, c.Apps[0])
			c.Apps[1].ID, c.Apps[1].Key, c.Apps[1].Secret = "b", "b", "another-long-word"
			c.Apps[1].PreviousSecret = c.Apps[0].Secret
		},
			"apps[1].previous_secret: is the same as apps[0].secret"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Default()
			if c.change != nil {
				c.change(&cfg)
			}
			err := cfg.Validate()
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want %q in it", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), tokenSecret) {
				t.Error("the error tells a secret")
			}
		})
	}
}

// An address that is none has one fault, even in development.
func TestOneFault(t *testing.T) {
	for _, address := range []string{":99999", "", "0.0.0.0", "a b:80", "unix:", "example.com:"} {
		for _, change := range []func(*Config){
			func(c *Config) { c.Listen = []string{address} },
			func(c *Config) { c.Admin = address },
		} {
			c := Default()
			change(&c)
			if err := c.Validate(); err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "reachable") {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
}

// What is printed is complete, masks secrets, and can be read again.
func TestEffective(t *testing.T) {
	c, err := Load(write(t, whole), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Effective()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); strings.Contains(s, "shop-secret") || !strings.Contains(s, "********") || !strings.Contains(s, "drain_window: 45s") || !strings.Contains(s, "idle_timeout: 60s") {
		t.Errorf("%s", s)
	}
	again, err := Load(write(t, string(text)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Apps {
		c.Apps[i].Secret, again.Apps[i].Secret = "", ""
		c.Apps[i].PreviousSecret, again.Apps[i].PreviousSecret = "", ""
		if len(c.Apps[i].AllowedOrigins) == 0 { // nil and empty are the same
			c.Apps[i].AllowedOrigins, again.Apps[i].AllowedOrigins = nil, nil
		}
		if len(c.Apps[i].Webhooks) == 0 {
			c.Apps[i].Webhooks, again.Apps[i].Webhooks = nil, nil
		}
	}
	if !reflect.DeepEqual(again, c) {
		t.Errorf("read again %+v\nwas        %+v", again, c)
	}
	dev, err := Default().Effective()
	if err != nil || !strings.Contains(string(dev), "key: dev-key") {
		t.Errorf("%s, %v", dev, err)
	}
}

// What of a webhook's address is not for everybody is not printed, and what was
// printed is not taken for an address.
func TestEffectiveWebhooks(t *testing.T) {
	for given, want := range map[string]string{
		"https://shop.example/events":                         "https://shop.example/events",
		"https://shop.example:8443/a?token=hidden-1&x=hidden": "https://shop.example:8443/a?********",
		"https://user:hidden@shop.example/events":             "https://********@shop.example/events",
		"https://hidden@shop.example?hidden":                  "https://********@shop.example?********",
	} {
		c := Default()
		c.Apps = []App{tenant("a", func(a *App) { a.Webhooks = []Webhook{{URL: given}} })}
		text, err := c.Effective()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want+"\n") || strings.Contains(string(text), "hidden") {
			t.Errorf("%s: %s", given, text)
		}
		c.Apps[0].Webhooks[0].URL = want
		if err := c.Validate(); (err == nil) != (given == want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
