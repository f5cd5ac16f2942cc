package pusher

import (
	"errors"
	"fmt"
	"strings"

	"stentor/protocol"
)

// Kind is what a channel's name makes of it, a set of bits. 0 is a public
// channel.
type Kind uint8

// Kinds of channels.
const (
	Private      Kind = 1 << iota // subscribing needs a signature
	Presence                      // needs a signature, and has members
	Encrypted                     // what is published is opaque to the server; always Private, too
	Cache                         // keeps its last event for those who come later
	ServerToUser                  // for the user whose id ends the name, and nobody else
)

// PrefixServerToUser is followed by the id of the user whose channel it is.
const PrefixServerToUser = "#server-to-user-"

// KindOf classifies a channel by its prefix, at the start of the name only and
// as it is written. All names that begin with # count as ServerToUser, so that
// none of them is public.
func KindOf(channel string) Kind {
	if strings.HasPrefix(channel, "#") {
		return ServerToUser
	}
	var k Kind
	rest := channel
	if after, ok := strings.CutPrefix(rest, protocol.PrefixPresence); ok {
		k, rest = Presence, after
	} else if after, ok := strings.CutPrefix(rest, protocol.PrefixPrivate); ok {
		k, rest = Private, after
		if after, ok := strings.CutPrefix(rest, "encrypted-"); ok {
			k, rest = k|Encrypted, after
		}
	}
	if strings.HasPrefix(rest, "cache-") {
		k |= Cache
	}
	return k
}

// Has reports whether k has all bits of x.
func (k Kind) Has(x Kind) bool { return k&x == x }

// Restricted reports whether subscribing needs authorisation.
func (k Kind) Restricted() bool { return k&(Private|Presence|ServerToUser) != 0 }

// UserOf returns the user of a server-to-user channel. ok is false for other
// channels, and for an empty id.
func UserOf(channel string) (user string, ok bool) {
	user, ok = strings.CutPrefix(channel, PrefixServerToUser)
	return user, ok && user != ""
}

// CheckChannel tells what is wrong with a channel's name: protocol.CheckChannel,
// and at most so many bytes (0: protocol.MaxChannelName), or the channel of a
// user whose id protocol.CheckUser allows, however long.
func CheckChannel(name string, most int) error {
	if user, ok := strings.CutPrefix(name, PrefixServerToUser); ok {
		return protocol.CheckUser(user)
	}
	if err := protocol.CheckChannel(name); err != nil {
		return err
	}
	if most > 0 && len(name) > most {
		return fmt.Errorf("the channel name has %d bytes, at most %d are allowed", len(name), most)
	}
	return nil
}

// prefixClient begins the names of events that clients may publish.
const prefixClient = "client-"

// Reserved reports whether an event's name is for the protocol's own events:
// neither clients nor backends may publish one.
func Reserved(name string) bool {
	return strings.HasPrefix(name, "pusher:") || strings.HasPrefix(name, "pusher_internal:")
}

// CheckSocketID tells what is wrong with a socket id, digits.digits.
func CheckSocketID(id string) error {
	first, second, _ := strings.Cut(id, ".")
	if !digits(first) || !digits(second) {
		return errors.New(`a socket id is digits, a dot and digits, such as "1234.5678"`)
	}
	return nil
}
