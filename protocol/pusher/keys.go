package pusher

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Keys signs and verifies for one app. Signatures are HMAC-SHA256 in lower-case
// hex, and compared in constant time.
type Keys struct {
	Key     string
	Secrets []string // each is accepted, except an empty one; the first signs
}

// CheckChannelAuth tells what is wrong with the auth of a subscription, "key:hex".
// channelData is what the client has sent by this name, empty if nothing.
func (k Keys) CheckChannelAuth(auth, socketID, channel, channelData string) error {
	if channel == "" || strings.Contains(channel, ":") { // or the text could mean another channel, or a user
		return errors.New("the channel name is empty or has a colon")
	}
	return k.checkAuth(auth, channelText(socketID, channel, channelData))
}

// CheckUserAuth tells what is wrong with the auth of a sign-in, "key:hex".
func (k Keys) CheckUserAuth(auth, socketID, userData string) error {
	return k.checkAuth(auth, userText(socketID, userData))
}

// SignChannel is what an app's backend answers a client that wants to
// subscribe. There must be a secret.
func (k Keys) SignChannel(socketID, channel, channelData string) (auth string) {
	return k.Key + ":" + sign(k.Secrets[0], channelText(socketID, channel, channelData))
}

// SignUser is what an app's backend answers a client that wants to sign in.
// There must be a secret.
func (k Keys) SignUser(socketID, userData string) (auth string) {
	return k.Key + ":" + sign(k.Secrets[0], userText(socketID, userData))
}

// SignBody signs the body of a webhook, for X-Pusher-Signature. There must be a
// secret.
func (k Keys) SignBody(body []byte) (signature string) {
	return sign(k.Secrets[0], body)
}

func channelText(socketID, channel, channelData string) string {
	if channelData == "" {
		return socketID + ":" + channel
	}
	return socketID + ":" + channel + ":" + channelData
}

func userText(socketID, userData string) string { return socketID + "::user::" + userData }

func (k Keys) checkAuth(auth, text string) error {
	if auth == "" {
		return errors.New("the auth is missing")
	}
	key, signature, ok := strings.Cut(auth, ":")
	if !ok {
		return errors.New("the auth is not KEY:SIGNATURE")
	}
	if !hmac.Equal([]byte(key), []byte(k.Key)) {
		return errors.New("the auth has the key of another app")
	}
	if !k.signed(signature, text) {
		return errors.New("the signature does not match")
	}
	return nil
}

// signed reports whether one of the secrets gives this signature.
func (k Keys) signed(signature, text string) bool {
	for _, secret := range k.Secrets {
		if secret != "" && hmac.Equal([]byte(signature), []byte(sign(secret, text))) {
			return true
		}
	}
	return false
}

func sign[T string | []byte](secret string, text T) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}
