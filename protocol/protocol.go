// Package protocol holds what the wire dialects have in common: the form of an
// event that each of them translates from and to, and the rules for names. The
// dialects are its sub-packages: pure translation, without sockets, goroutines
// or the hub.
package protocol

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Event is what is published.
type Event struct {
	Name string // "message" where a dialect has no names
	Kind Kind   // what Data is
	Data []byte // never changes
	User string // the identity that the gateway knows the sender by; may be empty
}

// Kind is the form of an Event's data.
type Kind uint8

// Kinds of data.
const (
	JSON   Kind = iota // a JSON value, passed on byte for byte; UTF-8
	Text               // text as it is; UTF-8
	Binary             // bytes as they are
)

// DefaultEvent is the name of an event whose publisher gives none, as clients
// of the raw dialect cannot.
const DefaultEvent = "message"

// Limits of names, in bytes.
const (
	MaxChannelName = 164
	MaxEventName   = 200
	MaxUserID      = 128
)

// CheckChannel tells what is wrong with a channel's name. One rule serves all
// dialects, so that every channel can be reached in each: letters, digits and
// _ - = @ , . ; up to 164 bytes, as Pusher has it.
func CheckChannel(name string) error {
	if name == "" {
		return errors.New("the channel name is empty")
	}
	if len(name) > MaxChannelName {
		return fmt.Errorf("the channel name has %d bytes, at most %d are allowed", len(name), MaxChannelName)
	}
	for i := range len(name) {
		if !channelByte(name[i]) {
			r, _ := utf8.DecodeRuneInString(name[i:])
			return fmt.Errorf("the channel name has the character %q; allowed are letters, digits and _ - = @ , . ;", r)
		}
	}
	if onlyDots(name) {
		return errors.New("the channel name is only dots: a URL could not name it")
	}
	return nil
}

// onlyDots reports whether a URL that has the name in its path means another.
func onlyDots(name string) bool { return name == "." || name == ".." }

func channelByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("_-=@,.;", b) >= 0
}

// CheckEvent tells what is wrong with an event's name.
func CheckEvent(name string) error {
	if len(name) > MaxEventName {
		return fmt.Errorf("the event name has %d bytes, at most %d are allowed", len(name), MaxEventName)
	}
	return checkText("event name", name)
}

// CheckUser tells what is wrong with a user id.
func CheckUser(id string) error {
	if len(id) > MaxUserID {
		return fmt.Errorf("the user id has %d bytes, at most %d are allowed", len(id), MaxUserID)
	}
	if onlyDots(id) {
		return errors.New("the user id is only dots: a URL could not name it")
	}
	return checkText("user id", id)
}

func checkText(what, s string) error {
	if s == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("the %s is not valid UTF-8", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("the %s has the control character %U", what, r)
		}
	}
	return nil
}

// Prefixes of channel names that mean something. They are matched at the start
// of the name only.
const (
	PrefixPrivate  = "private-"
	PrefixPresence = "presence-"
)

// IsPresence reports whether the channel keeps a list of members.
func IsPresence(channel string) bool { return strings.HasPrefix(channel, PrefixPresence) }

// IsRestricted reports whether subscribing to the channel needs authorisation,
// in every dialect.
func IsRestricted(channel string) bool {
	return strings.HasPrefix(channel, PrefixPrivate) || IsPresence(channel) || strings.HasPrefix(channel, "#")
}
