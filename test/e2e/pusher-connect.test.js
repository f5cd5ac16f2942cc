// The Pusher Channels protocol: connecting, close codes and what pusher-js makes
// of them, liveness, and messages that are none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dial } from "./client.js";
import { answers, app, backend, codeOf, connect, gateway, givesUp, join, other, QUERY, retries, sdk, speak, start, subscribe, until } from "./pusher.js";
import { serve, within } from "./server.js";

test("the first message tells the socket id and the activity timeout", async (t) => {
  const server = await gateway(t);
  const ids = new Set();
  for (let i = 0; i < 10; i++) {
    const c = await dial(t, `${server.ws}/app/${app.key}?${QUERY}`);
    const { event, data, ...rest } = await c.json();
    assert.deepEqual(rest, {});
    assert.equal(event, "pusher:connection_established");
    assert.equal(typeof data, "string");
    const { socket_id, ...more } = JSON.parse(data);
    assert.deepEqual(more, { activity_timeout: 120 });
    assert.match(socket_id, /^\d+\.\d+$/);
    ids.add(socket_id);
  }
  assert.equal(ids.size, 10);
});

test("clients of other versions and with other parameters may connect", async (t) => {
  const server = await gateway(t);
  for (const query of ["protocol=7", "protocol=6", "protocol=5", "client=pusher-websocket-swift&version=10.1&protocol=7&x=y", "protocol=7&flash=true&"]) {
    const c = await speak(t, server, { query });
    assert.deepEqual(await answers(c), [], query);
  }
});

test("pusher-js connects, and knows its socket id", async (t) => {
  const server = await gateway(t);
  const pusher = await connect(server);
  assert.equal(pusher.connection.state, "connected");
  assert.match(pusher.connection.socket_id, /^\d+\.\d+$/);
});

test("the activity timeout is never 0, which pusher-js could not take", async (t) => {
  const server = await gateway(t, {}, { flags: ["--limits.idle-timeout", "300ms"] });
  const c = await dial(t, `${server.ws}/app/${app.key}?${QUERY}`);
  assert.equal(JSON.parse((await c.json()).data).activity_timeout, 1);
});

test("what may not connect is closed with its code, and told nothing else", async (t) => {
  const server = await gateway(t, {}, { apps: [app, { ...other, disabled: true }] });
  for (const [path, code] of [
    [`none?${QUERY}`, 4001],
    [`${app.key.toUpperCase()}?${QUERY}`, 4001],
    [`${other.key}?${QUERY}`, 4003],
    [`${app.key}/more?${QUERY}`, 4005],
    [`${app.key}?protocol=seven`, 4006],
    [`${app.key}?protocol=`, 4006],
    [`${app.key}?protocol=7.5`, 4006],
    [`${app.key}?protocol=4`, 4007],
    [`${app.key}?protocol=8`, 4007],
    [`${app.key}?protocol=-7`, 4007],
    [app.key, 4008],
    [`${app.key}?client=js&version=8.6.0`, 4008],
  ]) {
    const c = await dial(t, `${server.ws}/app/${path}`);
    const closed = await c.closed();
    assert.equal(closed.code, code, path);
    assert.match(closed.reason, /\w+ \w+/, path);
  }
});

test("an app has no more connections than it may, and has room again when one leaves", async (t) => {
  const server = await gateway(t, { max_connections: 2 });
  const [a] = [await speak(t, server), await speak(t, server)];
  const refused = async () => (await dial(t, `${server.ws}/app/${app.key}?${QUERY}`)).closed();
  assert.equal((await refused()).code, 4004);
  await speak(t, server, { of: other });
  a.socket.close(1000);
  await a.closed();
  await speak(t, server);
  assert.equal((await refused()).code, 4004);
});

test("pusher-js stops for good where it may not connect", async (t) => {
  const server = await gateway(t, { max_connections: 1 }, { apps: [{ ...app, max_connections: 1 }, { ...other, disabled: true }] });
  await speak(t, server);
  assert.equal(await givesUp(start(server, { key: "none" })), 4001);
  assert.equal(await givesUp(start(server, { key: other.key })), 4003);
  assert.equal(await givesUp(start(server)), 4004);
  assert.equal(await givesUp(start(server, { key: `${app.key}/more` })), 4005);
});

test("pusher-js waits for a second if the server is full, and connects when it is not", async (t) => {
  const server = await gateway(t, {}, { flags: ["--limits.max-connections", "1"] });
  const c = await speak(t, server);
  const bare = await dial(t, `${server.ws}/app/${app.key}?${QUERY}`);
  assert.equal((await bare.closed()).code, 4100);

  const pusher = start(server);
  const seen = await pusher.log.until("connecting_in");
  assert.equal(codeOf(seen), 4100);
  assert.deepEqual(retries(pusher), [1000]);
  c.socket.close(1000);
  await c.closed();
  await pusher.log.until("connected");
});

test("a server that stops sends all away with 4200, and pusher-js comes back at once", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const pusher = await connect(server);
  server.terminate();
  assert.equal((await c.closed()).code, 4200);
  const seen = await pusher.log.until("connecting");
  assert.equal(codeOf(seen), 4200);
  assert.equal(retries(pusher)[0], 0);
});

test("pusher:ping and WebSocket pings are answered, pusher:pong is not", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  for (const data of [{}, "", "{}", null, undefined]) {
    c.say({ event: "pusher:ping", data });
    const { event, data: answer, ...rest } = await c.json();
    assert.deepEqual([event, rest], ["pusher:pong", {}]);
    assert.ok(answer === "{}" || JSON.stringify(answer) === "{}", `${answer}`);
  }
  c.socket.ping("hello");
  assert.equal(await c.expect("pong"), "hello");
  assert.deepEqual(await answers(c, { event: "pusher:pong", data: {} }, { event: "pusher:pong" }), []);
});

test("pusher-js pings after silence, and stays when it is answered", async (t) => {
  const server = await gateway(t);
  const pusher = await connect(server, { activityTimeout: 50, pongTimeout: 10_000 });
  for (let i = 0; i < 3; i++) await pusher.log.until("pusher:pong");
  assert.equal(pusher.connection.state, "connected");
});

test("a silent client is pinged, and stays if it answers", async (t) => {
  const server = await gateway(t, {}, { flags: ["--limits.idle-timeout", "100ms", "--limits.pong-timeout", "20s"] });
  const c = await speak(t, server);
  for (let i = 0; i < 3; i++) {
    const { type, value } = await c.next("a ping");
    if (type === "text") {
      assert.equal(JSON.parse(value).event, "pusher:ping");
      c.say({ event: "pusher:pong", data: {} });
    } else {
      assert.equal(type, "ping"); // which ws answers
    }
  }
});

test("whatever a client sends shows that it is there", async (t) => {
  const server = await gateway(t, {}, { flags: ["--limits.idle-timeout", "100ms", "--limits.pong-timeout", "400ms"] });
  const c = await speak(t, server, { autoPong: false });
  for (let i = 0; i < 10; i++) {
    c.say({ event: "pusher:pong", data: {} });
    await new Promise((resolve) => { setTimeout(resolve, 80); });
  }
  c.say({ event: "pusher:ping", data: {} });
  let seen;
  do seen = await c.next(); while (seen.type === "ping");
  assert.equal(JSON.parse(seen.value).event, "pusher:pong");
});

test("pusher-js that was not there for a while comes back at once", async (t) => {
  const server = await gateway(t, {}, { flags: ["--limits.idle-timeout", "100ms", "--limits.pong-timeout", "100ms"] });
  const pusher = await connect(server);
  const { _stream: stream } = pusher.connection.connection.transport.socket;
  stream.pause(); // as if its machine slept
  const there = async () => (await (await sdk(server).get({ path: "/connections" })).json()).connections;
  while (await there() > 0) await new Promise((resolve) => { setTimeout(resolve, 20); });
  stream.resume();
  const seen = await pusher.log.until("connected");
  assert.equal(codeOf(seen), 4201);
  assert.equal(retries(pusher)[0], 0);
});

// What is sent to a client says nothing about whether it is there.
test("a client that does not answer is closed with 4201, in a busy channel too", async (t) => {
  const server = await gateway(t, {}, { flags: ["--limits.idle-timeout", "100ms", "--limits.pong-timeout", "100ms"] });
  const c = await speak(t, server, { autoPong: false });
  await join(c, "busy");
  const backendSDK = sdk(server);
  const busy = setInterval(() => backendSDK.trigger("busy", "tick", {}).catch(() => {}), 20);
  t.after(() => clearInterval(busy));
  const closed = (async () => {
    for (;;) {
      const { type, value } = await c.next();
      if (type === "close") return value;
    }
  })();
  assert.equal((await within(closed, "the close")).code, 4201);
  clearInterval(busy);
});

// What is wrong is answered with an error, or by nothing where a client asks
// for nothing; the connection stays, and so do others.
test("messages that are none are errors, and hurt nobody", async (t) => {
  const server = await gateway(t);
  const [c, witness] = [await speak(t, server), await speak(t, server)];
  await join(witness, "room");
  const deep = (n) => `${"[".repeat(n)}${"]".repeat(n)}`;
  for (const message of [
    "", " ", "{", "}", "[]", "[{}]", "null", "true", "1", '"pusher:ping"', "{} {}", '{"event":"pusher:ping"', "\u0000", "\ufeff{}",
    "{}", '{"event":null}', '{"event":1}', '{"event":""}', '{"event":["pusher:ping"]}', '{"event":{"a":1}}', '{"EVENT":"pusher:ping"}',
    '{"event":"dance"}', '{"event":"pusher:dance"}', '{"event":"pusher:"}', '{"event":"pusher"}', '{"event":"pusher_internal:subscription_succeeded","channel":"room","data":"{}"}',
    '{"event":"pusher:connection_established","data":"{}"}', '{"event":"pusher:error","data":{"code":4200,"message":"x"}}',
    '{"event":"pusher:subscribe"}', '{"event":"pusher:subscribe","data":null}', '{"event":"pusher:subscribe","data":[]}', '{"event":"pusher:subscribe","data":1}',
    '{"event":"pusher:subscribe","data":"room"}', '{"event":"pusher:subscribe","data":{}}', '{"event":"pusher:subscribe","data":{"channel":1}}',
    '{"event":"pusher:subscribe","data":{"channel":null}}', '{"event":"pusher:subscribe","data":{"channel":["room"]}}',
    '{"event":"pusher:subscribe","data":{"channel":"private-a","auth":1}}', '{"event":"pusher:subscribe","data":{"channel":"private-a","auth":{}}}',
    '{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"a:b","channel_data":{}}}', '{"event":"pusher:subscribe","channel":"room"}',
    '{"event":"pusher:unsubscribe"}', '{"event":"pusher:unsubscribe","data":{}}', '{"event":"pusher:unsubscribe","data":{"channel":2}}',
    '{"event":"pusher:signin"}', '{"event":"pusher:signin","data":{}}', '{"event":"pusher:signin","data":{"auth":"x"}}', '{"event":"pusher:signin","data":{"auth":1,"user_data":2}}',
    '{"event":"pusher:signin","data":{"auth":"a:b","user_data":{"id":"1"}}}',
    '{"event":"client-x"}', '{"event":"client-x","data":1}', '{"event":"client-x","channel":1,"data":1}', '{"event":"client-x","channel":null}', '{"event":"client-","channel":"room","data":1}',
    `{"event":"pusher:subscribe","data":${deep(20_000)}}`, `{"event":"client-x","channel":"private-a","data":${deep(20_000)}}`, deep(30_000),
    `{"event":"${"x".repeat(60_000)}"}`, `{"event":"client-${"x".repeat(60_000)}","channel":"private-a","data":1}`,
    `{"event":"pusher:subscribe","data":{"channel":"${"x".repeat(60_000)}"}}`, `{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"${"x".repeat(60_000)}"}}`,
    Buffer.from('{"event":"pusher:ping","data":{}}'), Buffer.alloc(0), Buffer.from([0xff, 0xfe]),
  ]) {
    const list = await answers(c, message);
    const what = `${String(message).slice(0, 100)}: ${JSON.stringify(list).slice(0, 200)}`;
    assert.ok(list.length <= 1, what);
    assert.ok(list.every((m) => m.event === "pusher:error" || m.event === "pusher:subscription_error"), what);
    if (list[0]?.event === "pusher:error") {
      assert.ok(list[0].data.code === null || Number.isInteger(list[0].data.code), what);
      assert.match(list[0].data.message, /\w+ \w+/, what);
    }
    if (!/unsubscribe|^$/.test(String(message))) assert.equal(list.length, 1, what);
  }
  await c.sdk.trigger("room", "still", "here");
  assert.deepEqual(await until(witness, "still"), [{ event: "still", channel: "room", data: "here" }]);
});

test("a text that is no UTF-8 closes with 1007, one that is too big with 1009, and pusher-js waits for a second", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  c.send(Buffer.from('{"event":"\xff"}', "latin1"), { binary: false });
  assert.equal((await c.closed()).code, 1007);
  const d = await speak(t, server);
  d.send("x".repeat(65_537));
  assert.equal((await d.closed()).code, 1009);

  const pusher = await connect(server);
  pusher.connection.send("x".repeat(65_537));
  await pusher.log.until("connected");
  assert.deepEqual(retries(pusher), [1000]);
});

test("what SDKs add or encode twice is understood", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const succeeded = (channel) => [{ event: "pusher_internal:subscription_succeeded", channel, data: "{}" }];
  assert.deepEqual(await answers(c, { event: "pusher:subscribe", data: '{"channel":"one"}' }), succeeded("one"));
  assert.deepEqual(await answers(c, { event: "pusher:subscribe", data: { channel: "two", auth: null, channel_data: null, x: [1] }, id: 7 }), succeeded("two"));
  assert.deepEqual(await answers(c, { event: "pusher:subscribe", data: { channel: "three", auth: "", channel_data: "" } }), succeeded("three"));
  assert.deepEqual(await answers(c, ' { "data" : { "channel" : "\\u0066our" } , "event" : "pusher:\\u0073ubscribe" } '), succeeded("four"));
});

test("an app that is turned away by its origin tells pusher-js to stop", async (t) => {
  const server = await gateway(t, { allowed_origins: ["https://shop.example"] });
  await speak(t, server, { origin: "https://shop.example" });
  const c = await dial(t, `${server.ws}/app/${app.key}?${QUERY}`, { origin: "https://evil.example" });
  const { code } = await c.closed();
  assert.equal(code, 4009);
});

test("without a configuration there is the development app", async (t) => {
  const server = await serve(t);
  const development = { id: "dev", key: "dev-key", secret: "dev-secret" };
  const there = await backend(t, server, { of: development });
  const pusher = await connect(server, { key: development.key, backend: there, user: "anna" });
  for (const name of ["room", "private-room", "presence-room"]) {
    const channel = await subscribe(pusher, name);
    await there.sdk.trigger(name, "news", "x");
    assert.equal(await channel.log.take("news"), "x");
  }
});

test("one app's clients are none of another's business", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server, { of: other })];
  await join(a, "room");
  await join(b, "room");
  await a.sdk.trigger("room", "first", "for one");
  await b.sdk.trigger("room", "second", "for the other");
  assert.deepEqual(await until(a, "first"), [{ event: "first", channel: "room", data: "for one" }]);
  assert.deepEqual(await until(b, "second"), [{ event: "second", channel: "room", data: "for the other" }]);
  await b.sdk.trigger("room", "third", "x", { socket_id: a.id });
  assert.equal((await until(b, "third")).length, 1);
  assert.deepEqual(await answers(a), []);
});
