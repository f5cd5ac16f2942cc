// Package frame turns bytes into WebSocket messages and back, as RFC 6455
// wants it of a server.
//
//	Parser     bytes of one connection -> messages: header, unmasking in
//	           place, reassembly of fragments, UTF-8, every rule of section 5
//	Append...  messages -> bytes; what goes to many is encoded once
//	Upgrader   the opening handshake, over bytes in memory
//
// It has no sockets, goroutines or clocks. The header type, opcodes, masking
// and the handshake are those of github.com/gobwas/ws; what that package
// accepts against the RFC (lengths that are not minimal, close codes) is
// checked here.
package frame
