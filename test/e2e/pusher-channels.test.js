// The Pusher Channels protocol: every kind of channel, and who may subscribe.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, token } from "./client.js";
import { answers, app, backend, connect, gateway, isError, isRefusal, join, listen, other, sdk, speak, subscribe, until } from "./pusher.js";

const KINDS = [
  "room", "private-room", "presence-room", "private-encrypted-room",
  "cache-room", "private-cache-room", "presence-cache-room", "private-encrypted-cache-room",
];

test("pusher-js subscribes to every kind of channel and hears what the SDK triggers", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const pusher = await connect(server, { backend: there, user: "anna" });
  const channels = [];
  for (const name of KINDS) channels.push(await subscribe(pusher, name));
  for (const { name, log } of channels) {
    await there.sdk.trigger(name, "news", { of: name });
    const seen = await log.until("news");
    assert.deepEqual(seen.at(-1).data, { of: name });
    assert.deepEqual(seen.slice(0, -1).map((e) => e.name), name.includes("cache-") ? ["pusher:cache_miss"] : [], name);
  }
});

// kinds of data, and what pusher-js makes of them
const DATA = [
  [{ a: 1, "ü": ["🌍", null] }, { a: 1, "ü": ["🌍", null] }],
  ["just text", "just text"],
  ["", ""],
  ["42", 42],
  ['{"a":1}', { a: 1 }],
  ["{not JSON", "{not JSON"],
  [[1, 2], [1, 2]],
  [0, 0],
  [false, false],
  [null, null],
  ["</script>\u2028 \"quoted\" \\ \u0001", "</script>\u2028 \"quoted\" \\ \u0001"],
];

test("data arrives as the string that was sent, and as pusher-js reads it", async (t) => {
  const server = await gateway(t);
  const [pusher, c] = [await connect(server), await speak(t, server)];
  const channel = await subscribe(pusher, "room");
  await join(c, "room");
  for (const [data, read] of DATA) {
    await c.sdk.trigger("room", "news", data);
    assert.deepEqual(await c.json(), { event: "news", channel: "room", data: typeof data === "string" ? data : JSON.stringify(data) });
    assert.deepEqual(await channel.log.take("news"), read);
  }
});

test("event names are passed on, as odd as they are", async (t) => {
  const server = await gateway(t);
  const pusher = await connect(server);
  const channel = await subscribe(pusher, "room");
  for (const name of ["App\\Events\\OrderShipped", "Grüße 🌍", "with space", "a:b", ".dotted", "client-from-server", "x".repeat(200), '"quoted"', "message", "__proto__"]) {
    await sdk(server).trigger("room", name, { name });
    assert.deepEqual(await channel.log.until(name), [{ name, data: { name } }]);
  }
});

test("what is published by the gateway's own API arrives, binary does not", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  await join(c, "room");
  const publish = (body) => server.post("/api/publish", { to: { channels: ["room"] }, ...body }, app.secret);
  assert.equal((await publish({ event: "bytes", data: "AAE=", encoding: "base64" })).status, 200);
  assert.equal((await publish({ event: "object", data: { a: 1 } })).body.matched, 1);
  assert.equal((await publish({ event: "text", data: "hello" })).body.matched, 1);
  const [a, b] = [await c.json(), await c.json()];
  assert.deepEqual(a, { event: "object", channel: "room", data: '{"a":1}' });
  assert.equal(b.event, "text");
  assert.equal(typeof b.data, "string");
});

test("nothing of a channel comes after its unsubscribe, which has no answer", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  await join(c, "one");
  await join(c, "two");
  assert.deepEqual(await answers(c, { event: "pusher:unsubscribe", data: { channel: "one" } }), []);
  assert.deepEqual(await answers(c, { event: "pusher:unsubscribe", data: { channel: "one" } }, { event: "pusher:unsubscribe", data: { channel: "never" } }), []);
  await c.sdk.trigger(["one", "two"], "news", "x");
  assert.deepEqual(await c.json(), { event: "news", channel: "two", data: "x" });
  assert.deepEqual(await answers(c), []);

  const pusher = await connect(server);
  const [one, two] = [await subscribe(pusher, "one"), await subscribe(pusher, "two")];
  pusher.unsubscribe("one");
  pusher.send_event("pusher:ping", {});
  await pusher.log.until("pusher:pong");
  await c.sdk.trigger("one", "news", "unheard");
  await c.sdk.trigger("two", "news", "heard");
  assert.equal(await two.log.take("news"), "heard");
  assert.ok(!(await pusher.log.names("news")).includes("one"));
  one.log.note("end");
  assert.deepEqual(await one.log.names("end"), ["end"]);
});

test("to subscribe twice is to be subscribed once", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const subscribing = { event: "pusher:subscribe", data: { channel: "room", auth: "" } };
  await answers(c, subscribing);
  const again = await answers(c, subscribing, subscribing);
  assert.ok(again.every((m) => m.event === "pusher_internal:subscription_succeeded"), JSON.stringify(again));
  await c.sdk.trigger("room", "news", "x");
  assert.deepEqual(await c.json(), { event: "news", channel: "room", data: "x" });
  assert.deepEqual(await answers(c), []);
  const r = await c.sdk.get({ path: "/channels/room", params: { info: "subscription_count" } });
  assert.equal((await r.json()).subscription_count, 1);
  assert.deepEqual(await answers(c, { event: "pusher:unsubscribe", data: { channel: "room" } }), []);
  assert.deepEqual(await (await c.sdk.get({ path: "/channels" })).json(), { channels: {} });
});

test("a channel's events come in the order in which they were triggered", async (t) => {
  const server = await gateway(t);
  const list = [];
  for (let i = 0; i < 20; i++) list.push(await speak(t, server));
  for (const c of list) await join(c, "room");
  const api = sdk(server);
  const n = 100;
  for (let i = 0; i < n; i += 10) {
    await api.triggerBatch(Array.from({ length: 10 }, (_, j) => ({ channel: "room", name: "news", data: i + j })));
  }
  await api.trigger("room", "end", "x");
  for (const c of list) assert.deepEqual((await until(c, "end")).slice(0, -1).map((m) => Number(m.data)), Array.from({ length: n }, (_, i) => i));
});

test("an excluded socket hears nothing", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  for (const c of [a, b]) await join(c, "room");
  await a.sdk.trigger("room", "first", "x", { socket_id: a.id });
  await a.sdk.triggerBatch([{ channel: "room", name: "second", data: "x", socket_id: a.id }, { channel: "room", name: "third", data: "x" }]);
  assert.deepEqual((await until(a, "third")).map((m) => m.event), ["third"]);
  assert.deepEqual((await until(b, "third")).map((m) => m.event), ["first", "second", "third"]);
  // A burst, in which messages are joined.
  await Promise.all(Array.from({ length: 20 }, (_, i) => a.sdk.trigger("room", "burst", `${i}`, i % 2 ? { socket_id: a.id } : {})));
  await a.sdk.trigger("room", "end", "x");
  const numbers = async (c) => (await until(c, "end")).filter((m) => m.event === "burst").map((m) => Number(m.data)).sort((x, y) => x - y);
  assert.deepEqual(await numbers(a), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
  assert.deepEqual(await numbers(b), Array.from({ length: 20 }, (_, i) => i));
});

test("signatures that are not for this socket, channel and member are refused", async (t) => {
  const server = await gateway(t);
  const [c, d] = [await speak(t, server), await speak(t, server)];
  const [mine, theirs] = [c.sdk, sdk(server, other)];
  const member = { user_id: "anna", user_info: { name: "Anna" } };
  const right = mine.authorizeChannel(c.id, "private-a").auth;
  const [key, hex] = right.split(":");
  const presence = mine.authorizeChannel(c.id, "presence-a", member);
  const forged = JSON.stringify({ ...member, user_id: "root" });
  for (const [what, data] of [
    ["none", { channel: "private-a" }],
    ["empty", { channel: "private-a", auth: "" }],
    ["no signature", { channel: "private-a", auth: key }],
    ["an empty signature", { channel: "private-a", auth: `${key}:` }],
    ["no key", { channel: "private-a", auth: hex }],
    ["an empty key", { channel: "private-a", auth: `:${hex}` }],
    ["another key", { channel: "private-a", auth: `${other.key}:${hex}` }],
    ["another app's", { channel: "private-a", auth: theirs.authorizeChannel(c.id, "private-a").auth }],
    ["another app's under this key", { channel: "private-a", auth: `${key}:${theirs.authorizeChannel(c.id, "private-a").auth.split(":")[1]}` }],
    ["zeros", { channel: "private-a", auth: `${key}:${"0".repeat(64)}` }],
    ["one digit off", { channel: "private-a", auth: `${key}:${hex.slice(0, -1)}${hex.endsWith("0") ? "1" : "0"}` }],
    ["cut", { channel: "private-a", auth: right.slice(0, -2) }],
    ["longer", { channel: "private-a", auth: `${right}00` }],
    ["no hex", { channel: "private-a", auth: `${key}:${"z".repeat(64)}` }],
    ["another socket's", { channel: "private-a", auth: d.sdk.authorizeChannel(d.id, "private-a").auth }],
    ["another channel's", { channel: "private-b", auth: right }],
    ["a longer channel's", { channel: "private-a-more", auth: right }],
    ["a private channel's for presence", { channel: "presence-a", auth: mine.authorizeChannel(c.id, "presence-a").auth, channel_data: JSON.stringify(member) }],
    ["presence without its data", { channel: "presence-a", auth: presence.auth }],
    ["another member's", { channel: "presence-a", auth: presence.auth, channel_data: forged }],
    ["the same member, spelt differently", { channel: "presence-a", auth: presence.auth, channel_data: ` ${presence.channel_data}` }],
    ["another presence channel's", { channel: "presence-b", ...presence }],
    ["a user's", { channel: "private-a", auth: mine.authenticateUser(c.id, { id: "anna" }).auth }],
    ["encrypted", { channel: "private-encrypted-a", auth: right }],
    ["encrypted without", { channel: "private-encrypted-a" }],
  ]) {
    isRefusal(await answers(c, { event: "pusher:subscribe", data }), data.channel, /\w+ \w+/);
    assert.deepEqual(await (await mine.get({ path: "/channels" })).json(), { channels: {} }, what);
  }
  await mine.trigger(["private-a", "private-b", "presence-a"], "secret", "x");
  assert.deepEqual(await answers(c), []);
  // The socket is as good as before. What is right works, and once more.
  await join(c, "private-a");
  await join(c, "presence-a", member);
  await mine.trigger("private-a", "secret", "x");
  assert.equal((await c.json()).data, "x");
});

test("a signature of an earlier connection is worth nothing", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const { auth } = c.sdk.authorizeChannel(c.id, "private-a");
  c.socket.close(1000);
  await c.closed();
  const d = await speak(t, server);
  isRefusal(await answers(d, { event: "pusher:subscribe", data: { channel: "private-a", auth } }), "private-a");
});

test("pusher-js learns that it may not subscribe, from the backend and from the server", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const stranger = await connect(server, { backend: there });
  const refused = listen(stranger, "private-a");
  assert.equal((await refused.log.take("pusher:subscription_error")).status, 403);

  there.sdk = sdk(server, { ...app, secret: "not the secret" });
  const pusher = await connect(server, { backend: there, user: "anna" });
  for (const name of ["private-a", "presence-a", "private-encrypted-a", "private-cache-a"]) {
    const channel = listen(pusher, name);
    const { type, error, status } = await channel.log.take("pusher:subscription_error");
    assert.equal(status, 401, name);
    assert.equal(typeof type, "string");
    assert.match(error, /\w+ \w+/);
    assert.equal(channel.subscribed, false);
  }
  assert.equal(pusher.connection.state, "connected");
});

// Prefixes count at the start of a name, and everywhere the same.
test("names that only look like cache or public channels need their signature, in every dialect", async (t) => {
  const server = await gateway(t, { anonymous: true });
  const restricted = [
    "private-cache-y", "private-my-cache-x", "presence-cache-z", "presence-my-cache-z", "private-encrypted-cache-q", "private-encrypted-my-cache-q",
    "private-cache-", "private-", "presence-", "#server-to-user-anna", "#server-to-user-", "#anything",
  ];
  const c = await speak(t, server);
  for (const channel of restricted) {
    const list = await answers(c, { event: "pusher:subscribe", data: { channel, auth: "" } });
    assert.equal(list.length, 1, channel);
    assert.match(list[0].event, /^pusher:(subscription_)?error$/, channel);
    const native = await dial(t, `${server.ws}/ws?app=${app.key}`);
    await native.json();
    assert.equal((await native.ask({ type: "subscribe", channel })).type, "error", `${channel} by /ws`);
    const bare = await dial(t, `${server.ws}/raw/${encodeURIComponent(channel)}?app=${app.key}`);
    assert.equal((await bare.closed()).code, 4403, `${channel} by /raw`);
  }
  await c.sdk.trigger("private-cache-y", "secret", "x");
  assert.deepEqual(await answers(c), []);
});

test("names that have a prefix in the middle are public, and no cache", async (t) => {
  const server = await gateway(t, { anonymous: true });
  const c = await speak(t, server);
  for (const channel of ["my-cache-x", "xprivate-a", "my-private-a", "a-presence-b", "Private-a", "PRESENCE-a", "Cache-a", "cached-x", "cache"]) {
    await c.sdk.trigger(channel, "early", "x");
    assert.deepEqual(await join(c, channel), { rest: [] }, channel);
    const r = await c.sdk.get({ path: `/channels/${channel}`, params: { info: "cache" } }).catch((e) => e);
    assert.equal(r.status, 400, channel);
  }
  const native = await dial(t, `${server.ws}/ws?app=${app.key}`);
  await native.json();
  assert.equal((await native.ask({ type: "subscribe", channel: "my-cache-x" })).type, "subscribed");
});

test("a token of the native dialect opens what it names, and Pusher clients hear each other there", async (t) => {
  const server = await gateway(t);
  const jwt = token(app.secret, { sub: "nina", info: { name: "Nina" }, channels: ["private-cache-y", "presence-room"], publish: ["private-cache-y"] });
  const native = await dial(t, `${server.ws}/ws?app=${app.key}&token=${jwt}`);
  await native.json();
  assert.equal((await native.ask({ type: "subscribe", channel: "private-cache-y" })).type, "subscribed");
  assert.equal((await native.ask({ type: "subscribe", channel: "private-cache-z" })).type, "error");
  const c = await speak(t, server);
  await join(c, "private-cache-y");
  await c.sdk.trigger("private-cache-y", "news", { a: 1 });
  assert.deepEqual(await native.json(), { type: "message", channel: "private-cache-y", event: "news", data: { a: 1 } });
  assert.deepEqual(await c.json(), { event: "news", channel: "private-cache-y", data: '{"a":1}' });
  // A presence channel has one list of members.
  assert.deepEqual((await native.ask({ type: "subscribe", channel: "presence-room" })).members, [{ user: "nina", info: { name: "Nina" } }]);
  const { presence } = await join(c, "presence-room", { user_id: "anna", user_info: { name: "Anna" } });
  assert.deepEqual(presence, { ids: presence.ids, hash: { anna: { name: "Anna" }, nina: { name: "Nina" } }, count: 2 });
  assert.deepEqual(await native.json(), { type: "join", channel: "presence-room", user: "anna", info: { name: "Anna" } });
  native.socket.terminate();
  assert.deepEqual(await c.json(), { event: "pusher_internal:member_removed", channel: "presence-room", data: '{"user_id":"nina"}' });
});

test("channel names have rules", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  for (const channel of ["", " ", "a b", "a/b", "a:b", "a#b", "#", "ä", "a\n", "a\u0000", "a\"b", "a+b", "a%20", "x".repeat(165), "x".repeat(10_000), "🌍"]) {
    const list = await answers(c, { event: "pusher:subscribe", data: { channel, auth: "" } });
    assert.equal(list.length, 1, channel);
    assert.match(list[0].event, /^pusher:(subscription_)?error$/, channel);
  }
  for (const channel of ["x".repeat(164), "aZ09_-=@,.;", "-", "0"]) await join(c, channel);
});

test("an app may have shorter names, and fewer subscriptions", async (t) => {
  const server = await gateway(t, { max_channel_name: 10, max_subscriptions: 2 });
  const c = await speak(t, server);
  const refused = async (channel) => {
    const list = await answers(c, { event: "pusher:subscribe", data: { channel, auth: "" } });
    assert.equal(list.length, 1, channel);
    assert.match(list[0].event, /^pusher:(subscription_)?error$/, channel);
  };
  await refused("x".repeat(11));
  await join(c, "x".repeat(10));
  await join(c, "two");
  await refused("three");
  await join(c, "two"); // again
  await answers(c, { event: "pusher:unsubscribe", data: { channel: "two" } });
  await join(c, "three");
  await assert.rejects(c.sdk.trigger("x".repeat(11), "news", "x"), { status: 400 });
});

test("a second secret signs as well as the first, one that is gone does not", async (t) => {
  const server = await gateway(t, { previous_secret: "old-secret" });
  const c = await speak(t, server);
  const old = sdk(server, { ...app, secret: "old-secret" });
  await join(Object.assign(c, { sdk: old }), "private-a");
  await old.trigger("private-a", "news", "x");
  assert.equal((await c.json()).data, "x");
  await join(Object.assign(c, { sdk: sdk(server) }), "private-b");
  const gone = sdk(server, { ...app, secret: "older-secret" });
  isRefusal(await answers(c, { event: "pusher:subscribe", data: { channel: "private-c", ...gone.authorizeChannel(c.id, "private-c") } }), "private-c");
  await assert.rejects(gone.trigger("private-a", "news", "x"), { status: 401 });
});

test("an encrypted channel's events are read by who has its key, and by nobody between", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const pusher = await connect(server, { backend: there, user: "anna" });
  const channel = await subscribe(pusher, "private-encrypted-room");
  const c = await speak(t, server);
  await join(c, "private-encrypted-room");
  await there.sdk.trigger("private-encrypted-room", "news", { secret: "Grüße" });
  assert.deepEqual(await channel.log.take("news"), { secret: "Grüße" });
  const { event, data, ...rest } = await c.json();
  assert.deepEqual([event, rest], ["news", { channel: "private-encrypted-room" }]);
  const { nonce, ciphertext, ...more } = JSON.parse(data);
  assert.deepEqual(more, {});
  assert.equal(Buffer.from(nonce, "base64").length, 24);
  assert.ok(!Buffer.from(ciphertext, "base64").includes("Gr"));

  // The master key changes: pusher-js asks for the new one.
  const asked = there.asked.length;
  there.sdk = sdk(server, app, { encryptionMasterKeyBase64: Buffer.alloc(32, "another").toString("base64") });
  await there.sdk.triggerBatch([{ channel: "private-encrypted-room", name: "news", data: "again" }]);
  assert.equal(await channel.log.take("news"), "again");
  assert.equal(there.asked.length, asked + 1);
});

test("one publication goes to one encrypted channel", async (t) => {
  const server = await gateway(t);
  const body = { name: "news", data: "{}", channels: ["private-encrypted-a", "room"] };
  await assert.rejects(sdk(server).post({ path: "/events", body }), (e) => e.status === 400 && /encrypted/.test(e.body));
});

test("a cache channel tells the last event, or that there is none", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const pusher = await connect(server, { backend: there, user: "anna" });
  for (const name of KINDS.filter((n) => n.includes("cache"))) {
    const channel = await subscribe(pusher, name);
    assert.deepEqual(await channel.log.names("pusher:cache_miss"), ["pusher:cache_miss"]);
    await there.sdk.trigger(name, "first", { n: 1 });
    await there.sdk.trigger(name, "second", { n: 2 });
    assert.deepEqual(await channel.log.names("second"), ["first", "second"]);
    pusher.unsubscribe(name);
    const again = listen(pusher, name);
    assert.deepEqual((await again.log.until("second")).at(-1).data, { n: 2 }, name);
  }
  // A channel that is none has no such event.
  const plain = await subscribe(pusher, "room");
  await there.sdk.trigger("room", "end", {});
  assert.deepEqual(await plain.log.names("end"), ["end"]);
});

test("the cache keeps what the server says, before anybody is there, and never what clients say", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  await a.sdk.trigger("private-cache-x", "early", "1");
  assert.deepEqual((await join(a, "private-cache-x")).rest, [{ event: "early", channel: "private-cache-x", data: "1" }]);
  await join(b, "private-cache-x");
  assert.deepEqual(await answers(a, { event: "client-late", channel: "private-cache-x", data: "2" }), []);
  assert.equal((await b.json()).event, "client-late");
  const c = await speak(t, server);
  assert.deepEqual((await join(c, "private-cache-x")).rest, [{ event: "early", channel: "private-cache-x", data: "1" }]);
  assert.deepEqual((await join(c, "cache-none")).rest.map((m) => [m.event, m.channel]), [["pusher:cache_miss", "cache-none"]]);
  // The one who is excluded from an event finds it in the cache all the same.
  await a.sdk.trigger("private-cache-x", "without", "3", { socket_id: a.id });
  const d = await speak(t, server);
  assert.deepEqual((await join(d, "private-cache-x")).rest, [{ event: "without", channel: "private-cache-x", data: "3" }]);
});

test("an app that asks for it hears how many are subscribed", async (t) => {
  const server = await gateway(t, { subscription_count: true });
  const [a, b] = [await connect(server), await connect(server)];
  const room = await subscribe(a, "room");
  assert.equal((await room.log.take("pusher:subscription_count")).subscription_count, 1);
  await subscribe(b, "room");
  assert.equal((await room.log.take("pusher:subscription_count")).subscription_count, 2);
  assert.equal(room.subscriptionCount, 2);
  b.disconnect();
  assert.equal((await room.log.take("pusher:subscription_count")).subscription_count, 1);
  // Presence channels have members instead.
  const c = await speak(t, server);
  assert.deepEqual((await join(c, "presence-room", { user_id: "1" })).rest, []);
});

test("no other app hears it", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  for (const c of [a, b]) assert.deepEqual(await join(c, "room"), { rest: [] });
  await a.sdk.trigger("room", "end", "x");
  assert.deepEqual((await until(a, "end")).map((m) => m.event), ["end"]);
});

test("what only the server may say is refused from a client, and reaches nobody", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  for (const c of [a, b]) {
    await join(c, "room");
    await join(c, "private-room");
    await join(c, "presence-room", { user_id: c === a ? "anna" : "bert" });
  }
  await until(a, "pusher_internal:member_added");
  for (const event of ["news", "Client-x", "clientx", "pusher:cache_miss", "pusher_internal:member_added", "pusher_internal:subscription_succeeded", "pusher:connection_established", "x:client-y"]) {
    for (const channel of ["room", "private-room", "presence-room"]) {
      const list = await answers(a, { event, channel, data: { user_id: "root" } });
      assert.equal(list.length, 1, `${event} on ${channel}`);
      isError(list[0], list[0].data.code);
    }
  }
  // Nor may those who publish in another dialect.
  for (const event of ["pusher:error", "pusher_internal:member_added"]) {
    const { status } = await server.post("/api/publish", { to: { channels: ["room"] }, event, data: { user_id: "root" } }, app.secret);
    assert.ok([200, 400].includes(status), `${status}`);
  }
  await a.sdk.trigger(["room", "private-room", "presence-room"], "end", "x");
  assert.deepEqual(new Set((await until(b, "end", (m) => m.channel === "presence-room")).map((m) => m.event)), new Set(["end"]));
});
