package pusher

import (
	"errors"
	"maps"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// epoch is when the documentation's request was signed.
var epoch = time.Unix(1353088179, 0)

// checkWhole checks a request with its body.
func checkWhole(k Keys, method string, paths []string, query url.Values, body []byte, now time.Time) error {
	if err := k.CheckRequest(method, paths, query, now); err != nil {
		return err
	}
	return CheckBody(query, body)
}

const (
	vectorBody      = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	vectorMD5       = "ec365a775a4cd0599faeb73354201b6f"
	vectorSignature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
)

func TestVectorOfARequest(t *testing.T) {
	want := url.Values{
		"auth_key": {vectorKeys.Key}, "auth_timestamp": {"1353088179"}, "auth_version": {"1.0"},
		"body_md5": {vectorMD5}, "auth_signature": {vectorSignature},
	}
	if got := vectorKeys.SignRequest("POST", "/apps/3/events", nil, []byte(vectorBody), epoch); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := checkWhole(vectorKeys, "POST", []string{"/apps/3/events"}, want, []byte(vectorBody), epoch); err != nil {
		t.Error(err)
	}
}

func TestSignRequestLeavesTheQuery(t *testing.T) {
	query := url.Values{"info": {"user_count"}}
	vectorKeys.SignRequest("GET", "/p", query, nil, epoch)
	if len(query) != 1 {
		t.Errorf("%v", query)
	}
}

// signedQuery returns a request's query, changed afterwards.
func signedQuery(body string, change func(url.Values)) url.Values {
	query := vectorKeys.SignRequest("POST", "/p", url.Values{"info": {"user_count"}}, []byte(body), epoch)
	if change != nil {
		change(query)
	}
	return query
}

// resigned signs again what has been changed.
func resigned(change func(url.Values)) url.Values {
	return signedQuery("body", func(q url.Values) {
		change(q)
		params := map[string]string{}
		for name := range q {
			params[strings.ToLower(name)] = q.Get(name)
		}
		q.Set("auth_signature", sign(vectorKeys.Secrets[0], requestText("POST", "/p", params)))
	})
}

func set(name, value string) func(url.Values) {
	return func(q url.Values) { q.Set(name, value) }
}

func del(name string) func(url.Values) { return func(q url.Values) { q.Del(name) } }

func TestForgedRequestsAreRefused(t *testing.T) {
	for _, c := range []struct {
		what, body string
		query      url.Values
		status     int // 0: accepted
		says       string
	}{
		{"as it is", "body", signedQuery("body", nil), 0, ""},
		{"without a body", "", signedQuery("", nil), 0, ""},
		{"the MD5 of no body", "", func() url.Values {
			q := url.Values{"body_md5": {"d41d8cd98f00b204e9800998ecf8427e"}}
			return vectorKeys.SignRequest("POST", "/p", q, nil, epoch)
		}(), 0, ""},
		{"nothing", "", url.Values{}, 401, "no auth_key"},
		{"no key", "body", resigned(del("auth_key")), 401, "no auth_key"},
		{"an empty key", "body", resigned(set("auth_key", "")), 401, "no auth_key"},
		{"another key", "body", resigned(set("auth_key", "x")), 401, "not the key of this app"},
		{"no version", "body", resigned(del("auth_version")), 401, "no auth_version"},
		{"another version", "body", resigned(set("auth_version", "1.1")), 401, "must be 1.0"},
		{"no time", "body", resigned(del("auth_timestamp")), 401, "no auth_timestamp"},
		{"a time that is none", "body", resigned(set("auth_timestamp", "now")), 401, "whole seconds"},
		{"a time with a fraction", "body", resigned(set("auth_timestamp", "1353088179.5")), 401, "whole seconds"},
		{"a huge time", "body", resigned(set("auth_timestamp", strings.Repeat("9", 30))), 401, "whole seconds"},
		{"the last time", "body", resigned(set("auth_timestamp", "9223372036854775807")), 401, "not within 600 s"},
		{"the first time", "body", resigned(set("auth_timestamp", "-9223372036854775808")), 401, "not within 600 s"},
		{"no signature", "body", signedQuery("body", del("auth_signature")), 401, "no auth_signature"},
		{"an empty signature", "body", signedQuery("body", set("auth_signature", "")), 401, "no auth_signature"},
		{"another signature", "body", signedQuery("body", set("auth_signature", vectorSignature)), 401, "auth_signature does not match"},
		{"no MD5", "body", resigned(del("body_md5")), 401, "no body_md5"},
		{"an empty MD5", "body", resigned(set("body_md5", "")), 401, "not the MD5"},
		{"another MD5", "body", resigned(set("body_md5", vectorMD5)), 401, "not the MD5"},
		{"another body", "Body", signedQuery("body", nil), 401, "not the MD5"},
		{"the body left out", "", signedQuery("body", nil), 401, "not the MD5"},
		{"a body, and no MD5 was signed", "body", signedQuery("", nil), 401, "no body_md5"},
		{"another body with its MD5", "Body", signedQuery("body", set("body_md5", bodyMD5([]byte("Body")))), 401, "auth_signature does not match"},
		{"another parameter", "body", signedQuery("body", set("info", "cache")), 401, "auth_signature does not match"},
		{"one more parameter", "body", signedQuery("body", set("x", "")), 401, "auth_signature does not match"},
		{"one parameter less", "body", signedQuery("body", del("info")), 401, "auth_signature does not match"},
		{"a key twice", "body", signedQuery("body", func(q url.Values) { q.Add("auth_key", vectorKeys.Key) }), 400, `"auth_key" more than once`},
		{"a signature twice", "body", signedQuery("body", func(q url.Values) { q.Add("auth_signature", "x") }), 400, `"auth_signature" more than once`},
		{"a parameter twice", "body", signedQuery("body", func(q url.Values) { q.Add("info", "x") }), 400, `"info" more than once`},
		{"a parameter in capitals, too", "body", signedQuery("body", set("INFO", "x")), 400, `"info" more than once`},
		{"two parameters as one", "body", resigned(set("a", "b&c=d")), 400, "cannot tell"},
		{"two parameters as one, in the name", "body", resigned(set("a=b&c", "d")), 400, "cannot tell"},
		{"an equals sign in a name", "body", resigned(set("a=b", "d")), 400, "cannot tell"},
		{"a line break", "body", resigned(set("a", "b\nc")), 400, "cannot tell"},
		{"an equals sign in a value", "body", resigned(set("a", "b=c")), 0, ""},
		{"what a URL escapes", "body", resigned(set("a", "é水 +%#?/:")), 0, ""},
		{"an empty parameter", "body", resigned(set("a", "")), 0, ""},
	} {
		err := checkWhole(vectorKeys, "POST", []string{"/p"}, c.query, []byte(c.body), epoch)
		if c.status == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		var e *HTTPError
		if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v (%+v), want %d with %q", c.what, err, e, c.status, c.says)
			continue
		}
		if strings.Contains(e.Message, vectorKeys.Secrets[0]) {
			t.Errorf("%s: the error tells a secret: %v", c.what, err)
		}
	}
}

// A signature is for one method and one path.
func TestSignedRequestsAreForOnePlace(t *testing.T) {
	query := vectorKeys.SignRequest("POST", "/apps/1/users/a b/terminate_connections", nil, nil, epoch)
	for _, c := range []struct {
		method string
		paths  []string
		want   bool
	}{
		{"POST", []string{"/apps/1/users/a%20b/terminate_connections", "/apps/1/users/a b/terminate_connections"}, true},
		{"POST", []string{"/apps/1/users/a b/terminate_connections"}, true},
		{"POST", []string{"/apps/1/users/a%20b/terminate_connections"}, false},
		{"POST", []string{"/apps/2/users/a b/terminate_connections"}, false},
		{"POST", []string{"/apps/1/users/a b/terminate_connections/"}, false},
		{"POST", nil, false},
		{"GET", []string{"/apps/1/users/a b/terminate_connections"}, false},
		{"post", []string{"/apps/1/users/a b/terminate_connections"}, false},
	} {
		if err := checkWhole(vectorKeys, c.method, c.paths, query, nil, epoch); (err == nil) != c.want {
			t.Errorf("%s %q: error %v", c.method, c.paths, err)
		}
	}
	// The line that ends the path must not be the path's.
	forged := vectorKeys.SignRequest("GET", "/a", nil, nil, epoch)
	forged.Set("auth_signature", sign(vectorKeys.Secrets[0], requestText("GET", "/a\nb=c", map[string]string{
		"auth_key": vectorKeys.Key, "auth_timestamp": "1353088179", "auth_version": "1.0"})))
	if err := checkWhole(vectorKeys, "GET", []string{"/a\nb=c"}, forged, nil, epoch); err == nil {
		t.Error("a path of two lines is accepted")
	}
}

// Names are signed in lower case, however they are sent.
func TestNamesAreSignedInLowerCase(t *testing.T) {
	query := vectorKeys.SignRequest("GET", "/p", url.Values{"Info": {"cache"}, "ZZ": {"1"}, "b": {"2"}}, nil, epoch)
	want := sign(vectorKeys.Secrets[0], "GET\n/p\nauth_key="+vectorKeys.Key+"&auth_timestamp=1353088179&auth_version=1.0&b=2&info=cache&zz=1")
	if got := query.Get("auth_signature"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	lower := url.Values{}
	for name, v := range query {
		lower[strings.ToLower(name)] = v
	}
	upper := url.Values{}
	for name, v := range query {
		upper[strings.ToUpper(name)] = v
	}
	for _, q := range []url.Values{query, lower, upper} {
		if err := checkWhole(vectorKeys, "GET", []string{"/p"}, q, nil, epoch); err != nil {
			t.Errorf("%v: %v", q, err)
		}
	}
}

func TestRequestsGrowOld(t *testing.T) {
	query := vectorKeys.SignRequest("GET", "/p", nil, nil, epoch)
	for seconds, want := range map[int]bool{0: true, 600: true, 601: false, -600: true, -601: false, 1 << 30: false} {
		now := epoch.Add(time.Duration(seconds) * time.Second)
		err := checkWhole(vectorKeys, "GET", []string{"/p"}, query, nil, now)
		if (err == nil) != want {
			t.Errorf("after %d s: error %v", seconds, err)
		}
		if err != nil && !strings.Contains(err.Error(), strconv.FormatInt(now.Unix(), 10)) {
			t.Errorf("after %d s: %v does not tell the server's time", seconds, err)
		}
	}
}

// Each secret is tried with each form of the path.
func TestRequestsWithEitherSecret(t *testing.T) {
	both := Keys{vectorKeys.Key, []string{"new", vectorKeys.Secrets[0]}}
	query := vectorKeys.SignRequest("GET", "/b", nil, nil, epoch)
	before := maps.Clone(query)
	if err := checkWhole(both, "GET", []string{"/a", "/b"}, query, nil, epoch); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(query, before) {
		t.Errorf("the query was changed: %v", query)
	}
}
