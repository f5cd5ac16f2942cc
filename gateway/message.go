package gateway

import (
	"github.com/gobwas/ws"

	"stentor/frame"
	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/native"
	"stentor/protocol/raw"
)

// message is an event on its way through the hub: it is encoded once for each
// dialect that listens. It implements hub.Message.
type message struct{ event protocol.Event }

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
	}
	return nil
}

// presenceEvent tells of a join or a leave. Raw clients do not hear of them.
type presenceEvent struct {
	leave  bool
	member native.Member
}

func (p *presenceEvent) Size() int { return envelope + len(p.member.User) + len(p.member.Info) }

func (p *presenceEvent) Encode(class uint8, to hub.Target) []byte {
	if class != classNative {
		return nil
	}
	if p.leave {
		return frame.Encode(ws.OpText, native.AppendLeave(nil, to.Channel, p.member))
	}
	return frame.Encode(ws.OpText, native.AppendJoin(nil, to.Channel, p.member))
}

// presenceEvents implements hub.Events.
type presenceEvents struct{}

func (presenceEvents) Join(_ string, m hub.Member) hub.Message {
	return &presenceEvent{member: native.Member(toNative(m))}
}

func (presenceEvents) Leave(_ string, m hub.Member) hub.Message {
	return &presenceEvent{leave: true, member: toNative(m)}
}

func toNative(m hub.Member) native.Member { return native.Member{User: m.User, Info: m.Info} }

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
