// /raw/{channel}: payloads and nothing around them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { dial, refused, token } from "./client.js";
import { serve } from "./server.js";

// joined connects n raw clients and waits until all are subscribed.
async function joined(t, server, channel, n) {
  const list = [];
  while (list.length < n) list.push(await dial(t, `${server.ws}/raw/${channel}`));
  return list;
}

test("text and binary reach all on the channel, the sender included", async (t) => {
  const server = await serve(t);
  const [a, b] = await joined(t, server, "room", 2);
  const [other] = await joined(t, server, "other", 1);
  for (const text of ["", "hello", "<b>世界</b>", "x".repeat(65536)]) {
    a.send(text);
    assert.equal(await a.text(), text);
    assert.equal(await b.text(), text);
  }
  for (const size of [0, 1, 65536]) {
    const data = randomBytes(size);
    b.send(data);
    assert.deepEqual(await a.binary(), data);
    assert.deepEqual(await b.binary(), data);
  }
  other.send("mine");
  assert.equal(await other.text(), "mine");
});

// A JSON string arrives as its text, any other JSON value as it is written,
// base64 as bytes.
test("what is published over HTTP arrives as specified", async (t) => {
  const server = await serve(t);
  const [c] = await joined(t, server, "room", 1);
  const send = async (data, more = "") => {
    const response = await fetch(`${server.http}/api/publish`, {
      method: "POST",
      headers: { Authorization: "Bearer dev-secret" },
      body: `{"to":{"channels":["room"]}${more}${data === undefined ? "" : `,"data":${data}`}}`,
    });
    assert.deepEqual(await response.json(), { matched: 1 });
  };
  for (const [data, text] of [
    ['"plain"', "plain"],
    ['"\\u00fc\\n\\"\\ud83c\\udf0d"', "ü\n\"🌍"],
    ['""', ""],
    ["{ \"a\" : 1.50 }", "{ \"a\" : 1.50 }"],
    ["[1,2]", "[1,2]"],
    ["-0.0", "-0.0"],
    ["true", "true"],
    ["null", "null"],
    [undefined, "null"],
  ]) {
    await send(data, ',"event":"ignored"');
    assert.equal(await c.text(), text);
  }
  await send('"AAEC/w=="', ',"encoding":"base64"');
  assert.deepEqual(await c.binary(), Buffer.from([0, 1, 2, 255]));
});

test("raw and native clients hear each other", async (t) => {
  const server = await serve(t);
  const native = await dial(t, `${server.ws}/ws`);
  await native.json();
  await native.ask({ type: "subscribe", channel: "room" });
  const [raw] = await joined(t, server, "room", 1);
  raw.send('say "hi"');
  assert.deepEqual(await native.json(), { type: "message", channel: "room", event: "message", data: 'say "hi"' });
  raw.send(Buffer.from([1, 2, 3]));
  assert.deepEqual(await native.json(), { type: "message", channel: "room", event: "message", encoding: "base64", data: "AQID" });
  assert.equal(await raw.text(), 'say "hi"');
  assert.deepEqual(await raw.binary(), Buffer.from([1, 2, 3]));
  native.say({ type: "publish", channel: "room", data: { n: 1 } });
  assert.equal(await raw.text(), '{"n":1}');
});

test("many publications arrive in order", async (t) => {
  const server = await serve(t);
  const [c] = await joined(t, server, "room", 1);
  const batch = Array.from({ length: 1000 }, (_, i) => ({ to: { channels: ["room"] }, data: `message ${i}` }));
  assert.equal((await server.post("/api/publish/batch", { batch })).status, 200);
  for (let i = 0; i < 1000; i++) assert.equal(await c.text(), `message ${i}`);
});

test("a name that breaks the rules, or needs a token, is refused with 4403", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret, anonymous: true}]" });
  for (const [name, reason] of [
    ["", /empty/],
    ["a%20b", /character ' '/],
    ["a%2Fb", /character '\/'/],
    ["private-a", /token must name this channel/],
    ["presence-a", /a user/],
  ]) {
    const c = await dial(t, `${server.ws}/raw/${name}`);
    const closed = await c.closed();
    assert.equal(closed.code, 4403, name);
    assert.match(closed.reason, reason, name);
  }
  const jwt = token("app-secret", { channels: ["private-a"], publish: ["private-a"] });
  const c = await dial(t, `${server.ws}/raw/private-a?token=${jwt}`);
  c.send("hello");
  assert.equal(await c.text(), "hello");
});

test("a client that may not publish is closed with 4403 when it does", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret, anonymous: true}]" });
  const [c] = await joined(t, server, "room", 1);
  c.send("hello");
  const { code, reason } = await c.closed();
  assert.equal(code, 4403);
  assert.match(reason, /without a token may not publish/);
});

test("a page of a foreign origin is turned away", async (t) => {
  const server = await serve(t, {
    config: 'apps: [{id: app, key: app-key, secret: app-secret, anonymous: true, allowed_origins: ["https://*.example.com"]}]',
  });
  const { status, body } = await refused(t, `${server.ws}/raw/room`, { origin: "https://example.org" });
  assert.equal(status, 403);
  assert.match(body, /allowed_origins/);
  const c = await dial(t, `${server.ws}/raw/room`, { origin: "https://www.example.com" });
  c.socket.close(1000);
  assert.equal((await c.closed()).code, 1000);
});

test("what is no WebSocket gets an answer in words", async (t) => {
  const { http, ws } = await serve(t);
  for (const path of ["/ws", "/raw/room", "/echo"]) {
    const response = await fetch(http + path);
    assert.equal(response.status, 426, path);
    assert.match(await response.text(), /WebSocket/);
  }
  assert.equal((await refused(t, `${ws}/nothing`)).status, 404);
});
