// A small server on uWebSockets.js, without compression. A broadcast is a
// publication to a topic that every client is subscribed to.

import { createRequire } from 'node:module'
import { control } from './control.js'

const uws = createRequire(import.meta.url)('@trufflesuite/uws-js-unofficial')

const topic = 'all'
let count = 0

const app = uws.App().ws('/*', {
  compression: uws.DISABLED,
  maxPayloadLength: 64 * 1024,
  maxBackpressure: 1024 * 1024,
  open(socket) {
    count++
    socket.subscribe(topic)
  },
  message: (socket, data, binary) => socket.send(data, binary),
  close: () => count--,
})

app.listen('127.0.0.1', 0, (listening) => {
  if (!listening) throw new Error('cannot listen')
  control({
    address: `127.0.0.1:${uws.us_socket_local_port(listening)}`,
    count: () => count,
    publish(messages) {
      for (const message of messages) app.publish(topic, message, false)
    },
  })
})
