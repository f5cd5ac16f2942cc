package pusher

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HTTPError is why a request to the HTTP API is refused.
type HTTPError struct {
	Status  int
	Message string // the body of the answer, plain text
}

func (e *HTTPError) Error() string { return e.Message }

func httpError(status int, format string, args ...any) *HTTPError {
	return &HTTPError{status, fmt.Sprintf(format, args...)}
}

// maxSkew is how far the clock of a backend may be from ours, in seconds.
const maxSkew = 600

// CheckRequest tells why a request to the HTTP API is not one of the app's: an
// *HTTPError, 401, or 400 for a query whose signature could mean several things.
// The body is for CheckBody: its sum is signed, so that nothing of it need be read
// before. The path may have been signed in each of these forms, such as the one of
// the URL and the one without its percent signs.
func (k Keys) CheckRequest(method string, paths []string, query url.Values, now time.Time) error {
	params, err := parameters(query)
	if err != nil {
		return err
	}
	for _, name := range []string{"auth_key", "auth_version", "auth_timestamp", "auth_signature"} {
		if params[name] == "" {
			return unauthorized("the query has no %s", name)
		}
	}
	if !hmac.Equal([]byte(params["auth_key"]), []byte(k.Key)) {
		return unauthorized("auth_key is not the key of this app")
	}
	if params["auth_version"] != "1.0" {
		return unauthorized("auth_version must be 1.0")
	}
	sent, err := strconv.ParseInt(params["auth_timestamp"], 10, 64)
	if err != nil {
		return unauthorized("auth_timestamp must be the time in whole seconds since 1970")
	}
	if at := now.Unix(); sent < at-maxSkew || sent > at+maxSkew {
		return unauthorized("auth_timestamp is not within %d s of this server's time, %d: check the clocks", maxSkew, at)
	}
	signature := params["auth_signature"]
	for _, path := range paths {
		if !strings.Contains(path, "\n") && k.signed(signature, requestText(method, path, params)) {
			return nil
		}
	}
	return unauthorized("auth_signature does not match: check the secret, and that the method, the path and all parameters are signed")
}

// CheckBody tells why a body is not that of a request whose query CheckRequest has
// found to be right: an *HTTPError, 401.
func CheckBody(query url.Values, body []byte) error {
	params, err := parameters(query)
	if err != nil {
		return err
	}
	sum, there := params["body_md5"]
	switch {
	case !there && len(body) > 0:
		return unauthorized("the query has no body_md5, and the body is not empty")
	case there && !hmac.Equal([]byte(sum), []byte(bodyMD5(body))):
		return unauthorized("body_md5 is not the MD5 of the body")
	}
	return nil
}

// SignsBody reports whether a query has the sum of a body.
func SignsBody(query url.Values) bool {
	for name := range query {
		if strings.EqualFold(name, "body_md5") {
			return true
		}
	}
	return false
}

// SignRequest returns the query with what shows that the request is the app's.
// There must be a secret.
func (k Keys) SignRequest(method, path string, query url.Values, body []byte, now time.Time) url.Values {
	signed := maps.Clone(query)
	if signed == nil {
		signed = url.Values{}
	}
	signed.Set("auth_key", k.Key)
	signed.Set("auth_timestamp", strconv.FormatInt(now.Unix(), 10))
	signed.Set("auth_version", "1.0")
	if len(body) > 0 {
		signed.Set("body_md5", bodyMD5(body))
	}
	params := map[string]string{}
	for name := range signed {
		params[strings.ToLower(name)] = signed.Get(name)
	}
	signed.Set("auth_signature", sign(k.Secrets[0], requestText(method, path, params)))
	return signed
}

// parameters returns a query by names in lower case. What is signed is not
// escaped, so what could be taken for several parameters is refused.
func parameters(query url.Values) (map[string]string, error) {
	params := make(map[string]string, len(query))
	for name, values := range query {
		lower := strings.ToLower(name)
		if _, twice := params[lower]; twice || len(values) != 1 {
			return nil, httpError(http.StatusBadRequest, "the query has %.60q more than once", lower)
		}
		if strings.ContainsAny(lower, "&=\n") || strings.ContainsAny(values[0], "&\n") {
			return nil, httpError(http.StatusBadRequest, "the query has %.60q with & or a line break in it, which a signature cannot tell from another parameter", lower)
		}
		params[lower] = values[0]
	}
	return params, nil
}

// requestText is what is signed.
func requestText(method, path string, params map[string]string) string {
	var s strings.Builder
	s.WriteString(method + "\n" + path + "\n")
	and := ""
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "auth_signature" {
			s.WriteString(and + name + "=" + params[name])
			and = "&"
		}
	}
	return s.String()
}

func bodyMD5(body []byte) string {
	sum := md5.Sum(body)
	return hex.EncodeToString(sum[:])
}

func unauthorized(format string, args ...any) *HTTPError {
	return httpError(http.StatusUnauthorized, format, args...)
}
