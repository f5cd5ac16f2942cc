package gateway

import (
	"errors"
	"sync"

	"github.com/gobwas/ws"

	"stentor/frame"
	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/native"
	"stentor/protocol/pusher"
	"stentor/protocol/raw"
)

// message is an event on its way through the hub: it is encoded once for each
// dialect that listens. It implements hub.Message.
type message struct{ event protocol.Event }

// checkEventName refuses the names of events that Pusher clients would take for
// the gateway's own word.
func checkEventName(name string) error {
	if pusher.Reserved(name) {
		return errors.New(`"event": names that begin with pusher: or pusher_internal: are the gateway's own`)
	}
	return nil
}

// envelope is about what a dialect adds to an event.
const envelope = 96

func (m *message) Size() int { return len(m.event.Data) + envelope }

func (m *message) Encode(class uint8, to hub.Target) []byte {
	switch class {
	case classNative:
		b := make([]byte, 0, m.Size()+len(m.event.Data)/2+len(to.Channel)+len(m.event.Name)+len(m.event.User))
		return frame.Encode(ws.OpText, native.AppendMessage(b, to.Channel, m.event))
	case classRaw:
		binary, data := raw.Encode(m.event)
		if binary {
			return frame.Encode(ws.OpBinary, data)
		}
		return frame.Encode(ws.OpText, data)
	case classPusher:
		return m.encodePusher(to.Channel)
	}
	return nil
}

// encodePusher encodes for Pusher clients, who receive no bytes.
func (m *message) encodePusher(channel string) []byte {
	b := make([]byte, 0, m.Size()+len(m.event.Data)/2+len(channel)+len(m.event.Name)+len(m.event.User))
	b, ok := pusher.AppendEvent(b, channel, m.event)
	if !ok {
		return nil
	}
	return frame.Encode(ws.OpText, b)
}

// userMessage is a message to one of several users, which reaches Pusher clients
// by a channel that bears the user's name. All others receive the same.
type userMessage struct {
	*sharedMessage
	user string
}

func (m *userMessage) Encode(class uint8, to hub.Target) []byte {
	if class == classPusher {
		return m.encodePusher(pusher.PrefixServerToUser + m.user)
	}
	return m.sharedMessage.Encode(class, to)
}

// sharedMessage is a message that is published several times, and encoded once.
type sharedMessage struct {
	message
	once   [classes]sync.Once
	frames [classes][]byte
}

func (m *sharedMessage) Encode(class uint8, to hub.Target) []byte {
	m.once[class].Do(func() { m.frames[class] = m.message.Encode(class, to) })
	return m.frames[class]
}

// presenceEvent tells of a join or a leave. Raw clients do not hear of them.
type presenceEvent struct {
	leave  bool
	member hub.Member
}

func (p *presenceEvent) Size() int { return envelope + len(p.member.User) + len(p.member.Info) }

func (p *presenceEvent) Encode(class uint8, to hub.Target) []byte {
	var text []byte
	switch {
	case class == classNative && p.leave:
		text = native.AppendLeave(nil, to.Channel, toNative(p.member))
	case class == classNative:
		text = native.AppendJoin(nil, to.Channel, toNative(p.member))
	case class == classPusher && p.leave:
		text = pusher.AppendMemberRemoved(nil, to.Channel, p.member.User)
	case class == classPusher:
		text = pusher.AppendMemberAdded(nil, to.Channel, toPusher(p.member))
	default:
		return nil
	}
	return frame.Encode(ws.OpText, text)
}

// presenceEvents implements hub.Events.
type presenceEvents struct{}

func (presenceEvents) Join(_ string, m hub.Member) hub.Message {
	return &presenceEvent{member: m}
}

func (presenceEvents) Leave(_ string, m hub.Member) hub.Message {
	return &presenceEvent{leave: true, member: m}
}

func toNative(m hub.Member) native.Member { return native.Member{User: m.User, Info: m.Info} }

func toPusher(m hub.Member) pusher.Member { return pusher.Member{User: m.User, Info: m.Info} }

// members translates a list; it is nil only if there is no presence.
func members(channel string, list []hub.Member) []native.Member {
	if !protocol.IsPresence(channel) {
		return nil
	}
	out := make([]native.Member, len(list))
	for i, m := range list {
		out[i] = toNative(m)
	}
	return out
}
