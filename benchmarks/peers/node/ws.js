// A small server on ws, without compression. A broadcast makes the message's
// bytes once and sends them to each client, as its documentation shows.

import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { control } from './control.js'

const http = createServer()
const server = new WebSocketServer({ server: http, perMessageDeflate: false })

server.on('connection', (socket) => {
  socket.on('error', () => {}) // 'close' follows
  socket.on('message', (data, binary) => socket.send(data, { binary }))
})

const text = { binary: false }

http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  control({
    address: `127.0.0.1:${http.address().port}`,
    count: () => server.clients.size,
    publish(messages) {
      for (const message of messages) {
        const data = Buffer.from(message)
        for (const socket of server.clients) socket.send(data, text)
      }
    },
  })
})
