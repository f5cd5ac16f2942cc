package gateway

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// The hooks below shape what a file says before it is put into a Config.

// durations refuses a number where a duration is meant: it would count
// nanoseconds.
func durations(_, to reflect.Type, v any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return v, nil
	}
	switch n := v.(type) {
	case time.Duration:
		return n, nil
	case string, int, int64, uint64, float64:
		text := fmt.Sprint(n)
		if d, err := time.ParseDuration(text); err == nil {
			return d, nil
		}
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return nil, fmt.Errorf("%s has no unit: write %ss or %sms", text, text, text)
		}
	}
	return nil, errors.New("must be a time with its unit, 30s for example")
}

// onlyText refuses what YAML does not read as text where text is meant: turned
// back into text it might be another one, 0123456789 for example. The value is
// not told, it may be a secret.
func onlyText(from, to reflect.Type, v any) (any, error) {
	if to.Kind() != reflect.String || from.Kind() == reflect.String {
		return v, nil
	}
	if from.Kind() == reflect.Slice {
		return nil, errors.New("must be one text, not a list")
	}
	return nil, errors.New("YAML does not read this as text: put it in quotes")
}

// onlyNumbers reads the text of flags and variables as decimal numbers, and
// refuses what is no whole number.
func onlyNumbers(_, to reflect.Type, v any) (any, error) {
	if to.Kind() != reflect.Int {
		return v, nil
	}
	switch n := v.(type) {
	case int, int64, uint64:
		return n, nil
	case float64:
		if i := int(n); float64(i) == n {
			return i, nil
		}
	case string:
		if i, err := strconv.Atoi(n); err == nil {
			return i, nil
		}
		return nil, fmt.Errorf("%q is not a whole number", n)
	}
	return nil, fmt.Errorf("%v is not a whole number", v)
}

// onlyBools reads the text of flags and variables, and refuses what is neither
// true nor false.
func onlyBools(_, to reflect.Type, v any) (any, error) {
	if to.Kind() != reflect.Bool {
		return v, nil
	}
	switch b := v.(type) {
	case bool:
		return b, nil
	case string:
		if b, err := strconv.ParseBool(b); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%v is neither true nor false", v)
}

// lists lets a text stand for its parts between commas, any other single value
// for a list of one.
func lists(from, to reflect.Type, v any) (any, error) {
	if to != reflect.TypeFor[[]string]() {
		return v, nil
	}
	switch l := v.(type) {
	case string:
		return trimmed(strings.Split(l, ",")), nil
	case []string: // a flag's
		return trimmed(l), nil
	}
	if from.Kind() != reflect.Slice {
		return []any{v}, nil
	}
	return v, nil
}

// trimmed returns the texts without the spaces around them.
func trimmed(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.TrimSpace(s)
	}
	return out
}

// appDefaults fills in the keys that an app leaves out.
func appDefaults(_, to reflect.Type, v any) (any, error) {
	m, ok := v.(map[string]any)
	if to != reflect.TypeFor[App]() || !ok {
		return v, nil
	}
	d := defaultApp()
	filled := map[string]any{
		"client_events":           d.ClientEvents,
		"max_channel_name":        d.MaxChannelName,
		"client_event_rate":       d.EventRate,
		"max_event_bytes":         d.MaxEventBytes,
		"presence_max_members":    d.PresenceMax,
		"presence_max_info_bytes": d.PresenceInfoMax,
	}
	for k, val := range m {
		filled[k] = val
	}
	return filled, nil
}

// readable turns the decoder's errors into lines that begin with what name
// returns for the key.
func readable(err error, name func(key string) string) error {
	var faults []error
	for _, e := range flatten(err) {
		var d *mapstructure.DecodeError
		if errors.As(e, &d) {
			faults = append(faults, fmt.Errorf("%s: %v", name(d.Name()), d.Unwrap()))
		} else {
			faults = append(faults, e)
		}
	}
	return errors.Join(faults...)
}

func flatten(err error) []error {
	var out []error
	if u, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range u.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	if u, ok := err.(interface{ WrappedErrors() []error }); ok {
		for _, e := range u.WrappedErrors() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	var d *mapstructure.DecodeError
	if inner := errors.Unwrap(err); inner != nil {
		if _, leaf := err.(*mapstructure.DecodeError); !leaf || errors.As(inner, &d) {
			return flatten(inner)
		}
	}
	return []error{err}
}

// nearest suggests the known key that differs least from an unknown one.
func nearest[V any](name string, known map[string]V) string {
	best, least := "", 4
	for _, k := range sorted(known) {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost = 1 + min(corner, row[j], row[j+1])
			}
			corner, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
