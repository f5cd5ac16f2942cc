// What the small servers on Node's libraries have in common: they are told over
// plain HTTP on a port of their own what to send to all their connections. The
// same for Go, with the paths, is internal/peer/control.go.

import { createServer } from 'node:http'

// payload is the text of publication number n, see wire.Payload in Go.
const payload = (n, size) => String(n).padStart(12, '0').padEnd(size, 'x')

// control serves a server, and prints where both listen. server.address is that
// of its WebSockets, server.count() the number of its connections, and
// server.publish(messages) sends texts to all, one after another.
export function control(server) {
  const http = createServer(async (request, response) => {
    const answer = (value) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value))
    switch (`${request.method} ${request.url}`) {
      case 'GET /connections':
        return answer({ connections: server.count() })
      case 'POST /publish': {
        let body = ''
        for await (const part of request) body += part
        const { first, count, size } = JSON.parse(body)
        server.publish(Array.from({ length: count }, (_, i) => payload(first + i, size)))
        return answer({ connections: server.count() })
      }
      case 'POST /free': {
        globalThis.gc() // node --expose-gc
        const { heapUsed, external } = process.memoryUsage()
        return answer({ heap: heapUsed + external, stacks: 0 })
      }
    }
    response.writeHead(404).end()
  })
  http.listen(0, '127.0.0.1', () => {
    console.log(`ready ${server.address} control 127.0.0.1:${http.address().port}`)
  })
  process.on('SIGTERM', () => process.exit(0))
}
