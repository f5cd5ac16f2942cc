// The HTTP API of the Pusher Channels protocol, by the stock SDK and by hand.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { answers, app, gateway, join, other, sdk, speak, until } from "./pusher.js";

const json = async (response) => (await response).json();

// fails waits for the SDK to be refused, with text that tells what is wrong.
async function fails(promise, status, text = /\w+ \w+/) {
  const error = await promise.then((r) => assert.fail(`it has succeeded with ${r.status}`), (e) => e);
  assert.equal(error.status, status, `${error.message}: ${error.body}`);
  assert.match(error.body, text);
  assert.doesNotMatch(error.body, /secret"|goroutine|\.go:/);
}

test("events are triggered on one channel, on many and in batches", async (t) => {
  const server = await gateway(t);
  const [c, api] = [await speak(t, server), sdk(server)];
  await join(c, "one");
  await join(c, "two");
  const response = await api.trigger("one", "news", { a: 1 });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  assert.deepEqual(await response.json(), {});
  assert.deepEqual(await c.json(), { event: "news", channel: "one", data: '{"a":1}' });

  assert.deepEqual(await json(api.trigger(["one", "two", "nobody"], "news", "x")), {});
  assert.deepEqual(new Set([(await c.json()).channel, (await c.json()).channel]), new Set(["one", "two"]));
  assert.deepEqual(await json(api.trigger(["one", "one"], "twice", "x")), {});
  assert.deepEqual(await answers(c), [{ event: "twice", channel: "one", data: "x" }]);

  const hundred = Array.from({ length: 100 }, (_, i) => `channel-${i}`);
  await join(c, "channel-99");
  assert.deepEqual(await json(api.trigger(hundred, "many", "x")), {});
  assert.equal((await c.json()).channel, "channel-99");

  const batch = Array.from({ length: 10 }, (_, i) => ({ channel: i % 2 ? "one" : "two", name: `event-${i}`, data: { i } }));
  assert.deepEqual(await json(api.triggerBatch(batch)), {});
  const got = await until(c, "event-9");
  assert.deepEqual(got.filter((m) => m.channel === "two").map((m) => m.event), ["event-0", "event-2", "event-4", "event-6", "event-8"]);
  assert.equal(got.length, 10);
});

test("info tells of the channels that an event is for", async (t) => {
  const server = await gateway(t);
  const [a, b, api] = [await speak(t, server), await speak(t, server), sdk(server)];
  for (const c of [a, b]) {
    await join(c, "room");
    await join(c, "presence-room", { user_id: "anna" });
  }
  assert.deepEqual(await json(api.trigger(["room", "presence-room", "empty"], "news", "x", { info: "subscription_count,user_count" })), {
    channels: { room: { subscription_count: 2 }, "presence-room": { subscription_count: 2, user_count: 1 }, empty: { subscription_count: 0 } },
  });
  assert.deepEqual(await json(api.trigger("presence-room", "news", "x", { info: "user_count" })), { channels: { "presence-room": { user_count: 1 } } });
  assert.deepEqual(await json(api.triggerBatch([
    { channel: "room", name: "news", data: "x", info: "subscription_count" },
    { channel: "room", name: "news", data: "x" },
    { channel: "presence-room", name: "news", data: "x", info: "user_count" },
  ])), { batch: [{ subscription_count: 2 }, {}, { user_count: 1 }] });
  assert.deepEqual(await json(api.trigger("room", "news", "x", { info: "height" })), {}); // which keeps no event back
});

test("channels are listed while somebody is there", async (t) => {
  const server = await gateway(t);
  const [c, api] = [await speak(t, server), sdk(server)];
  const list = async (params) => (await json(api.get({ path: "/channels", params }))).channels;
  assert.deepEqual(await list(), {});
  for (const name of ["room", "private-room", "room=@,.;_-9"]) await join(c, name);
  await join(c, "presence-a", { user_id: "1" });
  await join(c, "presence-b", { user_id: "1" });
  assert.deepEqual(await list(), { room: {}, "private-room": {}, "room=@,.;_-9": {}, "presence-a": {}, "presence-b": {} });
  assert.deepEqual(await list({ filter_by_prefix: "room" }), { room: {}, "room=@,.;_-9": {} });
  assert.deepEqual(await list({ filter_by_prefix: "none" }), {});
  assert.deepEqual(await list({ filter_by_prefix: "presence-", info: "user_count" }), { "presence-a": { user_count: 1 }, "presence-b": { user_count: 1 } });
  await fails(api.get({ path: "/channels", params: { info: "user_count" } }), 400, /presence-/);
  await fails(api.get({ path: "/channels", params: { filter_by_prefix: "room", info: "user_count" } }), 400, /presence-/);
  await fails(api.get({ path: "/channels", params: { filter_by_prefix: "presence-", info: "height" } }), 400, /height/);
  assert.deepEqual((await json(sdk(server, other).get({ path: "/channels" }))).channels, {});
  c.socket.terminate();
  for (let n = 1; n > 0;) n = Object.keys(await list()).length;
});

test("a channel tells its attributes", async (t) => {
  const server = await gateway(t);
  const [a, b, api] = [await speak(t, server), await speak(t, server), sdk(server)];
  const get = (name, info) => json(api.get({ path: `/channels/${name}`, params: info ? { info } : {} }));
  for (const c of [a, b]) {
    await join(c, "room");
    await join(c, "presence-room", { user_id: "anna" });
  }
  assert.deepEqual(await get("room"), { occupied: true });
  assert.deepEqual(await get("empty"), { occupied: false });
  assert.deepEqual(await get("room", "subscription_count"), { occupied: true, subscription_count: 2 });
  assert.deepEqual(await get("presence-room", "user_count"), { occupied: true, user_count: 1 });
  assert.deepEqual(await get("presence-empty", "user_count"), { occupied: false, user_count: 0 });
  await fails(api.get({ path: "/channels/room", params: { info: "user_count" } }), 400, /presence/);
  await fails(api.get({ path: "/channels/room", params: { info: "cache" } }), 400, /cache/);
  await fails(api.get({ path: "/channels/room", params: { info: "height" } }), 400, /height/);
  assert.deepEqual(await get("cache-room", "cache"), { occupied: false, cache: null });
  await api.trigger("cache-room", "news", { a: 1 });
  const { cache } = await get("cache-room", "cache,subscription_count");
  assert.deepEqual(cache, { data: '{"a":1}', ttl: cache.ttl });
  assert.ok(Number.isInteger(cache.ttl) && cache.ttl > 0 && cache.ttl <= 1800, `ttl is ${cache.ttl}`);
});

test("a presence channel tells its users", async (t) => {
  const server = await gateway(t);
  const [a, b, c, api] = [await speak(t, server), await speak(t, server), await speak(t, server), sdk(server)];
  await join(a, "presence-room", { user_id: 1, user_info: { name: "One" } });
  await join(b, "presence-room", { user_id: "1" });
  await join(c, "presence-room", { user_id: "two" });
  const { users } = await json(api.get({ path: "/channels/presence-room/users" }));
  assert.deepEqual(users.sort((x, y) => (x.id < y.id ? -1 : 1)), [{ id: "1" }, { id: "two" }]);
  assert.deepEqual(await json(api.get({ path: "/channels/presence-empty/users" })), { users: [] });
  await fails(api.get({ path: "/channels/room/users" }), 400, /presence/);
});

test("the deprecated form of trigger still works", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  for (const c of [a, b]) await join(c, "room");
  const response = await call(server, "POST", "/apps/1001/channels/room/events", { query: { name: "news", socket_id: b.id }, body: '{"a":1}' });
  assert.equal(response.status, 202, response.text);
  assert.deepEqual(await a.json(), { event: "news", channel: "room", data: '{"a":1}' });
  assert.deepEqual(await answers(b), []);
  assert.equal((await call(server, "POST", "/apps/1001/channels/room/events", { body: "x" })).status, 400);
});

test("what is wrong in a trigger is told", async (t) => {
  const server = await gateway(t);
  const [c, api] = [await speak(t, server), sdk(server)];
  await join(c, "room");
  const events = (body) => api.post({ path: "/events", body });
  for (const body of [
    { data: "x", channels: ["room"] },
    { name: "", data: "x", channels: ["room"] },
    { name: 1, data: "x", channels: ["room"] },
    { name: "x".repeat(201), data: "x", channels: ["room"] },
    { name: "pusher:news", data: "x", channels: ["room"] },
    { name: "pusher_internal:news", data: "x", channels: ["room"] },
    { name: "news", channels: ["room"] },
    { name: "news", data: null, channels: ["room"] },
    { name: "news", data: { a: 1 }, channels: ["room"] },
    { name: "news", data: "x" },
    { name: "news", data: "x", channels: [] },
    { name: "news", data: "x", channels: "room" },
    { name: "news", data: "x", channels: [1] },
    { name: "news", data: "x", channel: "" },
    { name: "news", data: "x", channels: ["room", "a b"] },
    { name: "news", data: "x", channels: ["room", ""] },
    { name: "news", data: "x", channels: ["room", "#server-to-user-"] },
    { name: "news", data: "x", channels: ["room", "#other"] },
    { name: "news", data: "x", channels: ["x".repeat(165)] },
    { name: "news", data: "x", channels: Array.from({ length: 101 }, (_, i) => `c${i}`) },
    { name: "news", data: "x", channels: ["room"], socket_id: "none" },
    { name: "news", data: "x", channels: ["room"], socket_id: "1.2\n" },
    { name: "news", data: "x", channels: ["room"], socket_id: "1.2:private-a" },
    [], "text", 1,
  ]) await fails(events(body), 400);
  for (const batch of [undefined, null, {}, [], Array.from({ length: 11 }, () => ({ name: "news", channel: "room", data: "x" })), [{ name: "news", data: "x" }], [1],
    [{ name: "fine", channel: "room", data: "x" }, { name: "news", channel: "a b", data: "x" }]]) {
    await fails(api.post({ path: "/batch_events", body: { batch } }), 400);
  }
  await fails(events({ name: "news", data: "x".repeat(10_241), channels: ["room"] }), 413, /10240/);
  await fails(api.triggerBatch([{ name: "news", channel: "room", data: "x".repeat(10_241) }]), 413, /10240/);
  await fails(api.trigger("room", "news", "x".repeat(5_000_000)), 413);
  assert.deepEqual(await answers(c), [], "nothing of this was published");
  assert.deepEqual(await json(api.trigger("room", "news", "x".repeat(10_240))), {});
  assert.equal((await c.json()).data.length, 10_240);
});

test("a socket that is not there may be excluded, and unknown members are nobody's business", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  await join(c, "room");
  assert.deepEqual(await json(c.sdk.trigger("room", "news", "x", { socket_id: "1.2", surprise: [1] })), {});
  assert.equal((await c.json()).event, "news");
  assert.deepEqual(await json(c.sdk.post({ path: "/events", body: { name: "news", data: "", channel: "room" } })), {});
  assert.equal((await c.json()).data, "");
});

// call signs a request by hand, and changes what a test wants changed: a
// parameter that is undefined is left out.
async function call(server, method, path, { query = {}, body, of = app, at = Date.now(), change = {}, sent = path, sentBody = body, headers } = {}) {
  const params = {
    ...query, auth_key: of.key, auth_timestamp: String(Math.floor(at / 1000)), auth_version: "1.0",
    ...(body ? { body_md5: createHash("md5").update(body).digest("hex") } : {}),
  };
  Object.assign(params, change.signed);
  for (const name of change.without ?? []) delete params[name];
  const text = Object.keys(params).map((k) => `${k.toLowerCase()}=${params[k]}`).sort().join("&");
  params.auth_signature = createHmac("sha256", of.secret).update(`${method}\n${path}\n${text}`).digest("hex");
  Object.assign(params, change.after);
  const search = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== undefined)).toString();
  const response = await fetch(`${server.http}${sent}?${search}${change.append ?? ""}`, { method: change.method ?? method, body: sentBody, headers });
  return { status: response.status, text: await response.text(), headers: response.headers, url: response.url };
}

const EVENTS = `/apps/${app.id}/events`;
const EVENT = JSON.stringify({ name: "news", channels: ["room"], data: "x" });

test("a request's signature covers its method, path, query, body and time", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  await join(c, "room");
  const post = (more) => call(server, "POST", EVENTS, { body: EVENT, ...more });
  assert.equal((await post()).status, 200);
  assert.equal((await post({ query: { extra: "a b+c=ü%20/?" } })).status, 200, "other parameters are signed as they are, not escaped");
  assert.equal((await post({ query: { Extra: "1" } })).status, 200, "their names in lower case");
  const tenMinutes = 600_000;
  assert.equal((await post({ at: Date.now() - tenMinutes + 5000 })).status, 200);
  assert.equal((await post({ at: Date.now() + tenMinutes - 5000 })).status, 200);
  for (let i = 0; i < 5; i++) assert.equal((await c.json()).event, "news");

  const longer = EVENT.replace('"x"', '"y"');
  for (const [what, more] of [
    ["nothing signed", { change: { after: { auth_signature: undefined } } }],
    ["an empty signature", { change: { after: { auth_signature: "" } } }],
    ["zeros", { change: { after: { auth_signature: "0".repeat(64) } } }],
    ["another secret", { of: { ...app, secret: other.secret } }],
    ["another app's key", { of: other }],
    ["an unknown key", { of: { ...app, key: "none" } }],
    ["no key", { change: { without: ["auth_key"] } }],
    ["no time", { change: { without: ["auth_timestamp"] } }],
    ["a time that is none", { change: { signed: { auth_timestamp: "now" } } }],
    ["expired", { at: Date.now() - tenMinutes - 5000 }],
    ["from the future", { at: Date.now() + tenMinutes + 5000 }],
    ["the time changed", { change: { after: { auth_timestamp: String(Math.floor(Date.now() / 1000) + 1) } } }],
    ["no version", { change: { without: ["auth_version"] } }],
    ["another version", { change: { signed: { auth_version: "2.0" } } }],
    ["another body", { sentBody: longer }],
    ["another body, its MD5 changed", { sentBody: longer, change: { after: { body_md5: createHash("md5").update(longer).digest("hex") } } }],
    ["no MD5", { change: { without: ["body_md5"] } }],
    ["no MD5, another body", { change: { without: ["body_md5"] }, sentBody: longer }],
    ["a wrong MD5 that is signed", { change: { signed: { body_md5: "0".repeat(32) } } }],
    ["another path", { sent: `/apps/${app.id}/batch_events` }],
    ["a parameter more", { change: { after: { info: "user_count" } } }],
    ["a parameter changed", { query: { info: "subscription_count" }, change: { after: { info: "user_count" } } }],
    ["a parameter less", { query: { info: "subscription_count" }, change: { after: { info: undefined } } }],
  ]) {
    const { status, text } = await post(more);
    assert.equal(status, 401, `${what}: ${text}`);
    assert.match(text, /\w+ \w+/, what);
    assert.doesNotMatch(text, /[0-9a-f]{64}/, `${what}: no signature is given away`);
  }
  // What would read as two parameters in the signed text is refused.
  assert.equal((await post({ query: { extra: "a&info=user_count" } })).status, 400);
  for (const append of ["&auth_key=x", "&auth_signature=x", "&auth_timestamp=1", "&%zz"]) {
    const { status } = await post({ change: { append } });
    assert.ok([400, 401].includes(status), `${append}: ${status}`);
  }
  const read = await call(server, "GET", `/apps/${app.id}/channels`, { change: { method: "POST" } });
  assert.ok([401, 404, 405].includes(read.status), `another method: ${read.status}`);
  assert.deepEqual(await answers(c), [], "nothing of this was published");
});

test("a request for one app is none for another", async (t) => {
  const server = await gateway(t);
  const { status } = await call(server, "POST", `/apps/${other.id}/events`, { body: EVENT });
  assert.equal(status, 401);
  const unknown = await call(server, "POST", "/apps/9999/events", { body: EVENT });
  assert.equal(unknown.status, 404, unknown.text);
  assert.match(unknown.text, /app/);
});

test("what is no JSON, no path or no method has its error", async (t) => {
  const server = await gateway(t);
  for (const body of ["{", "null", "[]", '"x"', `${EVENT}x`, "[".repeat(50_000), Buffer.from(EVENT.replace('"x"', '"\xff"'), "latin1")]) {
    const { status, text } = await call(server, "POST", EVENTS, { body });
    assert.equal(status, 400, `${body.slice(0, 50)}: ${text}`);
    assert.match(text, /\w+ \w+/);
  }
  const empty = await call(server, "POST", EVENTS);
  assert.equal(empty.status, 400, empty.text);
  assert.equal((await call(server, "GET", EVENTS)).status, 405);
  assert.equal((await call(server, "GET", `/apps/${app.id}/nothing`)).status, 404);
  assert.equal((await call(server, "POST", EVENTS, { body: EVENT, headers: { "Content-Type": "text/plain" } })).status, 200);
});

test("the admin listener serves it once more", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  await join(c, "room");
  const admin = sdk({ host: server.admin.replace("http://", "") });
  assert.deepEqual(await json(admin.trigger("room", "news", "x")), {});
  assert.equal((await c.json()).event, "news");
  await fails(sdk({ host: server.admin.replace("http://", "") }, { ...app, secret: "wrong" }).trigger("room", "news", "x"), 401);
});

test("a disabled app's requests are 403", async (t) => {
  const server = await gateway(t, { disabled: true });
  await fails(sdk(server).trigger("room", "news", "x"), 403, /disabled/);
  await fails(sdk(server).get({ path: "/channels" }), 403, /disabled/);
  await fails(sdk(server, { ...app, secret: "wrong" }).trigger("room", "news", "x"), 401);
  assert.deepEqual(await json(sdk(server, other).trigger("room", "news", "x")), {});
});

test("an app that calls too often gets 429, and another does not", async (t) => {
  const server = await gateway(t, { api_rate: 5 });
  const results = await Promise.all(Array.from({ length: 30 }, () => sdk(server).trigger("room", "news", "x").catch((e) => e)));
  const refused = results.filter((r) => r.status === 429);
  assert.ok(refused.length >= 15 && refused.length <= 25, `${refused.length} of 30 were refused`);
  assert.match(refused[0].body, /\w+ \w+/);
  assert.ok(results.every((r) => [200, 429].includes(r.status)));
  for (let i = 0; i < 10; i++) assert.equal((await sdk(server, other).trigger("room", "news", "x")).status, 200);
  // Who cannot sign takes nothing of it away, and nobody else's either.
  await fails(sdk(server, { ...app, secret: "wrong" }).trigger("room", "news", "x"), 401);
});

test("users and their ids are named in the path", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const id = "a@b.example;=,_-1";
  const list = await answers(c, { event: "pusher:signin", data: c.sdk.authenticateUser(c.id, { id }) });
  assert.equal(list[0].event, "pusher:signin_success");
  await answers(c, { event: "pusher:subscribe", data: { channel: `#server-to-user-${id}`, auth: "" } });
  await c.sdk.sendToUser(id, "hello", "x");
  assert.deepEqual(await c.json(), { event: "hello", channel: `#server-to-user-${id}`, data: "x" });
  assert.deepEqual(await json(c.sdk.terminateUserConnections(id)), {});
  assert.equal((await c.closed()).code, 4009);
  const bare = await call(server, "POST", `/apps/${app.id}/users/anna/terminate_connections`);
  assert.deepEqual([bare.status, JSON.parse(bare.text)], [200, {}], "without a body");
});
