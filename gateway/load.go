package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	koanfyaml "github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// EnvPrefix begins the names of environment variables that set keys.
const EnvPrefix = "STENTOR_"

// Load reads a configuration: path is a YAML file, empty for none; environ is
// what os.Environ returns; flags are keys that the command line sets. A later
// one wins. The result has the defaults for what nobody sets, but not the
// development app, and is not validated.
func Load(path string, environ []string, flags map[string]any) (Config, error) {
	k := koanf.New(".")
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("config file: %w", err)
		}
		if err := loadYAML(k, text); err != nil {
			return Config{}, fmt.Errorf("config file %s: %w", path, err)
		}
	}
	env, err := fromEnv(environ)
	if err != nil {
		return Config{}, err
	}
	if err := errors.Join(k.Load(confmap.Provider(env, "."), nil), k.Load(confmap.Provider(flags, "."), nil)); err != nil {
		return Config{}, err
	}
	if err := unknown(k.Raw()); err != nil {
		return Config{}, err
	}
	c := Default()
	if err := fill(&c, k); err != nil {
		return Config{}, readable(err, func(key string) string {
			_, byEnv := env[key]
			if _, byFlag := flags[key]; byEnv && !byFlag {
				return fmt.Sprintf("%s (%s)", key, Key{Name: key}.Env())
			}
			return key
		})
	}
	return c, nil
}

// loadYAML reads a file's text.
func loadYAML(k *koanf.Koanf, text []byte) error {
	if err := k.Load(rawbytes.Provider(text), koanfyaml.Parser()); err != nil {
		return err
	}
	return oneDocument(text)
}

// fill puts what has been read into a struct with tags. Fields of keys that are
// left out stay as they are.
func fill(to any, k *koanf.Koanf) error {
	return k.UnmarshalWithConf("", to, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result:  to,
		TagName: "koanf",
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			durations,
			lists,
			onlyText,
			onlyNumbers,
			onlyBools,
			appDefaults,
		),
	}})
}

// oneDocument refuses a second document in a file, which nobody would read.
func oneDocument(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var node yaml.Node
	if err := d.Decode(&node); err != nil {
		return nil // an empty file; anything else the parser has told
	}
	if err := d.Decode(&node); err != io.EOF {
		return errors.New("there may be only one document: remove the line --- and what follows it")
	}
	return nil
}

// Keys returns all keys that are single values, those of apps apart, with their
// help and the type that they have.
func Keys() (list []Key) {
	collect(reflect.TypeFor[Config](), "", func(key string, f reflect.StructField) {
		if f.Type != reflect.TypeFor[[]App]() {
			list = append(list, Key{Name: key, Help: f.Tag.Get("help"), Type: f.Type})
		}
	})
	return list
}

// Key is a thing that can be set.
type Key struct {
	Name string // "limits.max_connections"
	Help string
	Type reflect.Type
}

// Flag returns the name of the command line's flag.
func (k Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Env returns the name of the environment variable.
func (k Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "__"))
}

// collect calls f for each field that is not a struct of keys itself.
func collect(t reflect.Type, prefix string, f func(key string, field reflect.StructField)) {
	for i := range t.NumField() {
		field := t.Field(i)
		name := field.Tag.Get("koanf")
		if name == "-" {
			continue
		}
		if field.Type.Kind() == reflect.Struct {
			collect(field.Type, prefix+name+".", f)
			continue
		}
		f(prefix+name, field)
	}
}

// fromEnv picks the variables that set keys. An empty one sets nothing.
func fromEnv(environ []string) (map[string]any, error) {
	byEnv := map[string]string{}
	for _, k := range Keys() {
		byEnv[k.Env()] = k.Name
	}
	values := map[string]any{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		key, ok := byEnv[name]
		if !ok {
			if foreignEnv(strings.TrimPrefix(name, EnvPrefix), value) {
				continue
			}
			if strings.HasPrefix(name, EnvPrefix+"APPS") && name != EnvPrefix+"APPS_DIR" {
				return nil, fmt.Errorf("environment variable %s: apps can be set in the config file and in apps_dir only", name)
			}
			return nil, fmt.Errorf("environment variable %s: there is no such key%s", name, nearest(name, byEnv))
		}
		if value != "" {
			values[key] = value
		}
	}
	return values, nil
}

// foreignEnv tells variables that begin with the prefix and are not ours:
// those of the client commands, and those that Kubernetes sets for services
// that are called stentor or stentor-anything. rest is the name without the
// prefix.
func foreignEnv(rest, value string) bool {
	switch rest {
	case "URL", "SECRET", "TOKEN", "CONFIG":
		return true
	}
	return serviceEnv.MatchString(rest) || portEnv.MatchString(rest) && portURL.MatchString(value)
}

var (
	serviceEnv = regexp.MustCompile(`^(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	portEnv    = regexp.MustCompile(`^(.+_)?PORT$`)
	portURL    = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// unknown complains of keys that do not exist, and of apps that are none.
func unknown(raw map[string]any) error {
	var s search
	s.walk("", raw, shape(reflect.TypeFor[Config]()))
	each(raw["apps"], func(i int, m map[string]any) { s.app(fmt.Sprintf("apps[%d].", i), m) })
	return s.faults()
}

// unknownOfApp complains of keys that an app does not have.
func unknownOfApp(raw map[string]any) error {
	var s search
	s.app("", raw)
	return s.faults()
}

// search finds keys that do not exist.
type search struct{ found []error }

func (s *search) fault(format string, args ...any) {
	s.found = append(s.found, fmt.Errorf(format, args...))
}

func (s *search) faults() error {
	slices.SortFunc(s.found, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(s.found...)
}

// app searches an app, whose keys path begins.
func (s *search) app(path string, raw map[string]any) {
	s.walk(path, raw, shape(reflect.TypeFor[App]()))
	hook := shape(reflect.TypeFor[Webhook]())
	each(raw["webhooks"], func(i int, m map[string]any) { s.walk(fmt.Sprintf("%swebhooks[%d].", path, i), m, hook) })
}

func (s *search) walk(path string, raw map[string]any, known map[string]any) {
	for name, v := range raw {
		inner, ok := known[name]
		if group, key, dotted := strings.Cut(name, "."); dotted && known[group] != nil {
			s.fault("%s%s: write it as %s: with %s: below it", path, name, group, key)
			continue
		}
		if !ok {
			s.fault("%s%s: there is no such key%s", path, name, nearest(name, known))
			continue
		}
		if path+name == "apps" {
			s.found = append(s.found, noApps(v)...)
			continue
		}
		if m, ok := v.(map[string]any); ok {
			if next, ok := inner.(map[string]any); ok {
				s.walk(path+name+".", m, next)
			} else {
				s.fault("%s%s: must be a single value or a list", path, name)
			}
			continue
		}
		if next, ok := inner.(map[string]any); ok && len(next) > 0 && v != nil {
			s.fault("%s%s: must have keys below it (%s)", path, name, strings.Join(sorted(next), ", "))
		}
	}
}

// noApps complains of a key apps that holds no apps: the development app would
// be served, and whoever has written the key believes it is not.
func noApps(v any) (faults []error) {
	const form = "must be a list: - id: ..., with the other keys of the app below id"
	list, ok := v.([]any)
	switch {
	case v == nil, ok && len(list) == 0:
		return []error{errors.New("apps: is empty: list an app below it (- id: ...), or leave apps out to serve the development app")}
	case !ok:
		return []error{errors.New("apps: " + form)}
	}
	for i, e := range list {
		if _, ok := e.(map[string]any); !ok {
			faults = append(faults, fmt.Errorf("apps[%d]: is no app: apps %s", i, form))
		}
	}
	return faults
}

// each calls f for each map in a list.
func each(v any, f func(i int, m map[string]any)) {
	list, _ := v.([]any)
	for i, e := range list {
		if m, ok := e.(map[string]any); ok {
			f(i, m)
		}
	}
}

// shape returns the keys of a struct; those with keys below them map to these.
func shape(t reflect.Type) map[string]any {
	m := map[string]any{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("koanf")
		switch {
		case name == "-":
		case f.Type.Kind() == reflect.Struct:
			m[name] = shape(f.Type)
		default:
			m[name] = nil
		}
	}
	return m
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
