package loadtest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"
)

// signPusher adds the parameters by which Pusher's HTTP API knows an app:
// HMAC-SHA256 over method, path and sorted parameters, MD5 of the body among
// them.
func signPusher(a *PusherAuth, method, target, body string, now time.Time) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	sum := md5.Sum([]byte(body))
	q := u.Query()
	q.Set("auth_key", a.Key)
	q.Set("auth_timestamp", strconv.FormatInt(now.Unix(), 10))
	q.Set("auth_version", "1.0")
	q.Set("body_md5", hex.EncodeToString(sum[:]))
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(method + "\n" + u.EscapedPath() + "\n" + q.Encode()))
	u.RawQuery = q.Encode() + "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
	return u.String(), nil
}
