// /ws: the native dialect, one JSON object a message.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, token } from "./client.js";
import { serve } from "./server.js";

// connect returns a client that has been welcomed, with its id.
async function connect(t, url, options) {
  const c = await dial(t, url, options);
  c.id = (await c.json()).client;
  return c;
}

// subscribed returns a client that is subscribed to a channel.
async function subscribed(t, url, channel) {
  const c = await connect(t, url);
  assert.equal((await c.ask({ type: "subscribe", channel })).type, "subscribed");
  return c;
}

test("a client is welcomed with its id and the limits", async (t) => {
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/ws`, { protocols: ["other", "stentor.v1"] });
  assert.equal(c.socket.protocol, "stentor.v1");
  const welcome = await c.json();
  assert.match(welcome.client, /^\d+\.\d+$/);
  assert.deepEqual(welcome, { type: "welcome", client: welcome.client, idle_ms: 120000, pong_ms: 30000, max_bytes: 65536 });

  const known = await dial(t, `${ws}/ws?user=${encodeURIComponent("Zoë")}`);
  assert.equal((await known.json()).user, "Zoë");
});

test("commands are acknowledged with their id", async (t) => {
  const { ws } = await serve(t);
  const c = await connect(t, `${ws}/ws`);
  assert.deepEqual(await c.ask({ type: "ping", id: 1 }), { type: "pong", id: 1 });
  assert.deepEqual(await c.ask({ type: "subscribe", channel: "news", id: "a" }), { type: "subscribed", id: "a", channel: "news" });
  assert.deepEqual(await c.ask({ type: "unsubscribe", channel: "news", id: 2.5 }), { type: "unsubscribed", id: 2.5, channel: "news" });
  assert.deepEqual(await c.ask({ type: "publish", channel: "news", data: 1, id: 3 }), { type: "published", id: 3, matched: 0 });
});

test("a publication over HTTP arrives, its data byte for byte", async (t) => {
  const server = await serve(t);
  const c = await subscribed(t, `${server.ws}/ws`, "news");
  const data = '{"b": 1.0, "a":[1e3,"\\u00e9"] }';
  const response = await fetch(`${server.http}/api/publish`, {
    method: "POST",
    headers: { Authorization: "Bearer dev-secret" },
    body: `{"to":{"channels":["news"]},"event":"breaking","data":${data}}`,
  });
  assert.deepEqual(await response.json(), { matched: 1 });
  assert.equal(await c.text(), `{"type":"message","channel":"news","event":"breaking","data":${data}}`);
});

test("users, clients and all can be addressed, and some left out", async (t) => {
  const server = await serve(t);
  const anna = await connect(t, `${server.ws}/ws?user=anna`);
  const bert = await connect(t, `${server.ws}/ws?user=bert`);
  const publish = (body) => server.post("/api/publish", body);
  assert.equal((await publish({ to: { users: ["anna"] }, data: 1 })).body.matched, 1);
  assert.equal((await publish({ to: { clients: [bert.id] }, data: 2 })).body.matched, 1);
  assert.equal((await publish({ to: { all: true }, data: 3 })).body.matched, 2);
  assert.equal((await publish({ to: { all: true }, except: { users: ["anna"] }, data: 4 })).body.matched, 1);
  assert.equal((await publish({ to: { all: true }, data: 5, wait: true })).body.written, 2);
  const seen = async (c, n) => {
    const list = [];
    while (list.length < n) list.push((await c.json()).data);
    return list.sort();
  };
  assert.deepEqual(await seen(anna, 3), [1, 3, 5]);
  assert.deepEqual(await seen(bert, 4), [2, 3, 4, 5]);
});

test("clients publish to each other, with or without an echo to themselves", async (t) => {
  const { ws } = await serve(t);
  const anna = await connect(t, `${ws}/ws?user=anna`);
  await anna.ask({ type: "subscribe", channel: "talk" });
  const bert = await subscribed(t, `${ws}/ws`, "talk");
  anna.say({ type: "publish", channel: "talk", event: "first", data: { n: 1 }, echo: false });
  anna.say({ type: "publish", channel: "talk", data: "second" });
  const first = { type: "message", channel: "talk", event: "first", user: "anna", data: { n: 1 } };
  const second = { type: "message", channel: "talk", event: "message", user: "anna", data: "second" };
  assert.deepEqual(await bert.json(), first);
  assert.deepEqual(await bert.json(), second);
  assert.deepEqual(await anna.json(), second);
});

test("binary data travels as base64", async (t) => {
  const server = await serve(t);
  const c = await subscribed(t, `${server.ws}/ws`, "bytes");
  const data = Buffer.from([0, 1, 254, 255]).toString("base64");
  await server.publish("bytes", data, { encoding: "base64" });
  assert.deepEqual(await c.json(), { type: "message", channel: "bytes", event: "message", encoding: "base64", data });
});

test("a presence channel tells who comes and goes, each user once", async (t) => {
  const server = await serve(t);
  const channel = "presence-room";
  const anna = await connect(t, `${server.ws}/ws?user=anna`);
  assert.deepEqual((await anna.ask({ type: "subscribe", channel })).members, [{ user: "anna" }]);

  const bert = await connect(t, `${server.ws}/ws?user=bert`);
  const list = (await bert.ask({ type: "subscribe", channel })).members;
  assert.deepEqual(list.map((m) => m.user).sort(), ["anna", "bert"]);
  assert.deepEqual(await anna.json(), { type: "join", channel, user: "bert" });

  // A second client of bert's is not news, and neither is its end.
  const again = await connect(t, `${server.ws}/ws?user=bert`);
  await again.ask({ type: "subscribe", channel });
  again.socket.close(1000);
  await again.closed();
  bert.socket.terminate();
  assert.deepEqual(await anna.json(), { type: "leave", channel, user: "bert" });
  assert.deepEqual(await anna.ask({ type: "presence", channel, id: 1 }), { type: "presence", id: 1, channel, members: [{ user: "anna" }] });
});

test("each fault has its code, and the connection stays", async (t) => {
  const { ws } = await serve(t);
  const c = await connect(t, `${ws}/ws`);
  for (const [command, code] of [
    ["{", "bad_json"],
    ["[]", "bad_json"],
    ["{} {}", "bad_json"],
    ["{}", "bad_message"],
    ['{"type":"subscribe"}', "bad_message"],
    ['{"type":"subscribe","channel":1}', "bad_message"],
    ['{"type":"subscribe","channel":"a","surprise":1}', "bad_message"],
    ['{"type":"publish","channel":"a","all":true}', "bad_message"],
    ['{"type":"dance"}', "unknown_type"],
    ['{"type":"subscribe","channel":"a b"}', "bad_channel"],
    ['{"type":"subscribe","channel":"presence-a"}', "forbidden"],
    ['{"type":"presence","channel":"presence-a"}', "not_member"],
  ]) {
    c.send(command);
    const answer = await c.json();
    assert.equal(answer.type, "error", command);
    assert.equal(answer.code, code, command);
    assert.ok(answer.message, command);
  }
  c.send(Buffer.from("{}"));
  assert.equal((await c.json()).code, "bad_message");
  assert.deepEqual(await c.ask({ type: "dance", id: 7 }).then((e) => e.id), 7);
  assert.deepEqual(await c.ask({ type: "ping" }), { type: "pong" });
});

test("a backend subscribes, unsubscribes and disconnects a client", async (t) => {
  const server = await serve(t);
  const c = await connect(t, `${server.ws}/ws`);
  const path = `/api/clients/${c.id}`;
  assert.deepEqual((await server.post(`${path}/subscribe`, { channel: "private-a" })).body, { subscribed: true });
  assert.deepEqual(await c.json(), { type: "subscribed", channel: "private-a" });
  await server.publish("private-a", "hello");
  assert.equal((await c.json()).data, "hello");
  assert.deepEqual((await server.post(`${path}/unsubscribe`, { channel: "private-a" })).body, { unsubscribed: true });
  assert.deepEqual(await c.json(), { type: "unsubscribed", channel: "private-a" });
  assert.equal(await server.publish("private-a", "unheard"), 0);
  assert.deepEqual((await server.post(`${path}/disconnect`, { reason: "enough" })).body, { disconnected: 1 });
  assert.deepEqual(await c.closed(), { code: 4403, reason: "enough" });
});

const config = `
apps:
  - {id: one, key: one-key, secret: one-secret, anonymous: true}
  - {id: two, key: two-key, secret: two-secret}
`;

test("a token says who a client is and what it may do", async (t) => {
  const server = await serve(t, { config });
  const jwt = token("two-secret", { sub: "anna", info: { name: "Anna" }, channels: ["presence-*"], publish: ["talk"] });
  const c = await dial(t, `${server.ws}/ws?app=two-key&token=${jwt}`);
  assert.equal((await c.json()).user, "anna");
  const { members } = await c.ask({ type: "subscribe", channel: "presence-room" });
  assert.deepEqual(members, [{ user: "anna", info: { name: "Anna" } }]);
  assert.equal((await c.ask({ type: "subscribe", channel: "private-x" })).code, "forbidden");
  assert.equal((await c.ask({ type: "publish", channel: "other", data: 1 })).code, "forbidden");
  assert.equal((await c.ask({ type: "publish", channel: "talk", data: 1, id: 1 })).type, "published");
});

test("an anonymous client listens and does not publish", async (t) => {
  const server = await serve(t, { config });
  const c = await subscribed(t, `${server.ws}/ws?app=one-key`, "news");
  assert.equal((await c.ask({ type: "publish", channel: "news", data: 1 })).code, "forbidden");
  assert.equal((await c.ask({ type: "subscribe", channel: "private-a" })).code, "forbidden");
  const publish = (secret) => server.post("/api/publish", { to: { channels: ["news"] }, data: "hello" }, secret);
  assert.equal((await publish("two-secret")).body.matched, 0, "another app's channel of that name");
  assert.equal((await publish("one-secret")).body.matched, 1);
  assert.equal((await c.json()).data, "hello");
  assert.equal((await publish("dev-secret")).status, 401);
});

test("a client that may not connect learns why", async (t) => {
  const { ws } = await serve(t, { config });
  const expired = token("two-secret", { exp: Math.floor(Date.now() / 1000) - 3600 });
  for (const [query, code, reason] of [
    ["", 4001, /several apps/],
    ["?app=none", 4001, /no app with that key/],
    ["?app=two-key", 4401, /wants a token/],
    ["?app=two-key&token=nonsense", 4401, /no JWT/],
    [`?app=two-key&token=${token("one-secret", {})}`, 4401, /signature/],
    [`?app=two-key&token=${expired}`, 4401, /expired/],
  ]) {
    const c = await dial(t, `${ws}/ws${query}`);
    const closed = await c.closed();
    assert.equal(closed.code, code, query);
    assert.match(closed.reason, reason, query);
  }
});

test("a server that stops says goodbye", async (t) => {
  const server = await serve(t);
  const c = await connect(t, `${server.ws}/ws`);
  server.terminate();
  const bye = await c.json();
  assert.equal(bye.type, "bye");
  assert.equal(bye.code, 1012);
  assert.ok(bye.retry_ms >= 500 && bye.retry_ms <= 3000, `retry_ms is ${bye.retry_ms}`);
  assert.equal((await c.closed()).code, 1012);
});
