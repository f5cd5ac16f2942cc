package gateway

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
)

// Effective returns the configuration as YAML, with the defaults, the
// development app if it is served, and secrets masked. The files of apps_dir
// follow, each as a document of its own.
func (c Config) Effective() ([]byte, error) {
	c = c.withDevelopment()
	text, err := yaml.Parser().Marshal(plain(reflect.ValueOf(c)).(map[string]any))
	if err != nil {
		return nil, err
	}
	apps, err := c.loadApps()
	if err != nil {
		return nil, err
	}
	for _, p := range apps {
		if p.file == "" {
			continue
		}
		app, err := yaml.Parser().Marshal(plain(reflect.ValueOf(p.App)).(map[string]any))
		if err != nil {
			return nil, err
		}
		text = append(fmt.Appendf(text, "--- # %s\n", p.file), app...)
	}
	return text, nil
}

// plain turns a configuration into maps and lists of simple values.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("koanf")
			switch name {
			case "-":
			case "secret", "previous_secret":
				m[name] = mask(v.Field(i).String())
			case "url":
				m[name] = maskURL(v.Field(i).String())
			default:
				m[name] = plain(v.Field(i))
			}
		}
		return m
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return duration(d)
	}
	return v.Interface()
}

// duration writes a duration without the zero parts of Go's form.
func duration(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}

// mask hides a secret but for its length's kind.
func mask(s string) string {
	if s == "" {
		return ""
	}
	return masked
}

// maskURL hides what of a URL is not for everybody: user, password and query.
func maskURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return mask(s)
	}
	if u.User != nil {
		u.User = url.User("user")
		s = strings.Replace(u.String(), "//user@", "//"+masked+"@", 1)
	}
	if before, _, ok := strings.Cut(s, "?"); ok {
		s = before + "?" + masked
	}
	return s
}

// masked stands for a secret in what is printed.
const masked = "********"
