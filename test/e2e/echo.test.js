// /echo: what the package ws sends comes back as it was.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { dial, refused } from "./client.js";
import { serve } from "./server.js";

test("text and binary come back with their type", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`);
  for (const text of ["", "hello", "Grüße, 世界 🌍", "\u0000\u007f", "x".repeat(126)]) {
    c.send(text);
    assert.equal(await c.text(), text);
  }
  for (const size of [0, 1, 125, 126, 127, 4096]) {
    const data = randomBytes(size);
    c.send(data);
    assert.deepEqual(await c.binary(), data);
  }
});

// A message may have limits.max_message_bytes, 65536, and not one more.
test("a message of the greatest size comes back, a greater one closes with 1009", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`);
  for (const size of [65535, 65536]) {
    const data = randomBytes(size);
    c.send(data);
    assert.deepEqual(await c.binary(), data);
  }
  c.send(randomBytes(65537));
  const { code, reason } = await c.closed();
  assert.equal(code, 1009);
  assert.match(reason, /larger than 65536 bytes/);
});

test("a limit that is raised lets megabytes through", async (t) => {
  const { ws } = await serve(t, { flags: ["--limits.max-message-bytes", "8388608"] });
  const c = await dial(t, `${ws}/echo`);
  const data = randomBytes(8 << 20);
  c.send(data);
  assert.ok(data.equals(await c.binary()));
});

test("many messages at once come back in order", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`);
  for (let i = 0; i < 1000; i++) c.send(`message ${i}`);
  for (let i = 0; i < 1000; i++) assert.equal(await c.text(), `message ${i}`);
});

// RFC 6455, 5.4: control frames may come between the fragments of a message,
// and are answered at once.
test("fragments become one message, a ping between them is answered first", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`);
  c.send("one ", { fin: false });
  c.send("two ", { fin: false });
  c.socket.ping("between");
  assert.equal(await c.expect("pong"), "between");
  c.send("three", { fin: true });
  assert.equal(await c.text(), "one two three");
  const halves = [randomBytes(20000), randomBytes(30000)];
  c.send(halves[0], { fin: false });
  c.send(halves[1], { fin: true });
  assert.deepEqual(await c.binary(), Buffer.concat(halves));
});

test("pings are answered with their payload", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`);
  for (const payload of ["", "ping", "p".repeat(125)]) {
    c.socket.ping(payload);
    assert.equal(await c.expect("pong"), payload);
  }
  c.socket.pong("nobody asked");
  c.send("still here");
  assert.equal(await c.text(), "still here");
});

// RFC 6455, 5.5.1: the answer to a Close frame has its status code.
test("a close is answered with its code", async (t) => {
  const { ws } = await serve(t);
  for (const code of [1000, 1001, 1011, 3000, 4999]) {
    const c = await dial(t, `${ws}/echo`);
    c.socket.close(code, "goodbye");
    assert.equal((await c.closed()).code, code);
  }
  const c = await dial(t, `${ws}/echo`);
  c.socket.close();
  assert.equal((await c.closed()).code, 1005, "a close without a code is answered without one");
});

test("a text that is no UTF-8 closes with 1007", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`);
  c.send(Buffer.from([0x68, 0x69, 0xff]), { binary: false });
  assert.equal((await c.closed()).code, 1007);
});

test("the first subprotocol on offer is selected", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/echo`, { protocols: ["mine", "yours"] });
  assert.equal(c.socket.protocol, "mine");
});

test("a silent client is pinged, and stays as long as it answers", async (t) => {
  const { ws } = await serve(t, { flags: ["--limits.idle-timeout", "100ms"] });
  const c = await dial(t, `${ws}/echo`);
  for (let i = 0; i < 3; i++) await c.expect("ping");
});

test("a client that does not answer a ping is closed with 4408", async (t) => {
  const { ws } = await serve(t, { flags: ["--limits.idle-timeout", "100ms", "--limits.pong-timeout", "100ms"] });
  const c = await dial(t, `${ws}/echo`, { autoPong: false });
  await c.expect("ping");
  assert.equal((await c.closed()).code, 4408);
});

test("there is no echo unless it is asked for", async (t) => {
  const config = "apps: [{id: app, key: app-key, secret: app-secret}]";
  const without = await serve(t, { config });
  assert.equal((await refused(t, `${without.ws}/echo`)).status, 404);
  const asked = await serve(t, { config, flags: ["--echo"] });
  const c = await dial(t, `${asked.ws}/echo`);
  c.send("hello");
  assert.equal(await c.text(), "hello");
});
