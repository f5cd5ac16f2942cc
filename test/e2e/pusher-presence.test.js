// The Pusher Channels protocol: members of presence channels, and events that
// clients send to each other.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, app, backend, connect, gateway, isError, isRefusal, join, speak, subscribe, until } from "./pusher.js";

const channel = "presence-room";

test("pusher-js knows who is there, who comes and who goes", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const anna = await connect(server, { backend: there, user: "anna" });
  const room = await subscribe(anna, channel);
  assert.equal(room.members.count, 1);
  assert.deepEqual(room.members.me, { id: "anna", info: { name: "The anna" } });

  const bert = await connect(server, { backend: there, user: "bert" });
  const his = await subscribe(bert, channel);
  assert.deepEqual(his.members.members, { anna: { name: "The anna" }, bert: { name: "The bert" } });
  assert.equal(his.members.count, 2);
  assert.deepEqual(await room.log.take("pusher:member_added"), { id: "bert", info: { name: "The bert" } });
  assert.equal(room.members.count, 2);

  // A second connection of bert's is not news, and neither is its end.
  const again = await connect(server, { backend: there, user: "bert" });
  const second = await subscribe(again, channel);
  assert.equal(second.members.count, 2);
  again.disconnect();
  await again.log.until("disconnected");
  bert.unsubscribe(channel);
  await there.sdk.trigger(channel, "end", {});
  assert.deepEqual(await room.log.take("pusher:member_removed"), { id: "bert", info: { name: "The bert" } });
  assert.equal(room.members.count, 1);
  // He was never told of himself.
  his.log.note("over");
  assert.deepEqual(await his.log.names("over"), ["over"]);
});

test("the frames are as the protocol has them", async (t) => {
  const server = await gateway(t);
  const [a, b, c] = [await speak(t, server), await speak(t, server), await speak(t, server)];
  assert.deepEqual(await join(a, channel, { user_id: "anna", user_info: { name: "Anna" } }), {
    presence: { ids: ["anna"], hash: { anna: { name: "Anna" } }, count: 1 }, rest: [],
  });
  const { presence } = await join(b, channel, { user_id: "bert" });
  assert.deepEqual(presence.ids.sort(), ["anna", "bert"]);
  assert.deepEqual([presence.count, Object.keys(presence.hash).sort(), presence.hash.anna, presence.hash.bert ?? null], [2, ["anna", "bert"], { name: "Anna" }, null]);
  const added = await a.json();
  assert.deepEqual({ ...added, data: null }, { event: "pusher_internal:member_added", channel, data: null });
  const { user_id, user_info } = JSON.parse(added.data);
  assert.deepEqual([user_id, user_info ?? null], ["bert", null]);
  await join(c, channel, { user_id: "bert" });
  b.socket.terminate();
  await c.sdk.trigger(channel, "marker", "x");
  assert.deepEqual((await until(a, "marker")).map((m) => m.event), ["marker"]);
  c.socket.terminate();
  assert.deepEqual(await a.json(), { event: "pusher_internal:member_removed", channel, data: '{"user_id":"bert"}' });
});

// PHP and Ruby backends give ids as they have them.
test("an id that is a number is the same as its text", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  assert.deepEqual((await join(a, channel, { user_id: 10, user_info: { name: "Mr. Channels" } })).presence, {
    ids: ["10"], hash: { 10: { name: "Mr. Channels" } }, count: 1,
  });
  assert.deepEqual((await join(b, channel, { user_id: "10", user_info: { name: "Mr. Channels" } })).presence.count, 1);
  assert.deepEqual(await answers(a), []);
  const there = await backend(t, server);
  there.sdk.authorizeChannel = (socket, name) => Object.getPrototypeOf(there.sdk).authorizeChannel.call(there.sdk, socket, name, { user_id: 7, user_info: [] });
  const room = await subscribe(await connect(server, { backend: there, user: "any" }), channel);
  assert.deepEqual(room.members.me, { id: 7, info: [] });
  assert.deepEqual(JSON.parse((await a.json()).data), { user_id: "7", user_info: [] });
  const users = await there.sdk.get({ path: `/channels/${channel}/users` });
  assert.deepEqual((await users.json()).users.sort((x, y) => x.id - y.id), [{ id: "7" }, { id: "10" }]);
  // A large one keeps its digits.
  const c = await speak(t, server);
  const channel_data = '{"user_id":12345678901234567890123}';
  const { auth } = c.sdk.authorizeChannel(c.id, "presence-big");
  const signed = `${app.key}:${new c.sdk.constructor.Token(app.key, app.secret).sign(`${c.id}:presence-big:${channel_data}`)}`;
  assert.notEqual(auth, signed);
  const [m] = await answers(c, { event: "pusher:subscribe", data: { channel: "presence-big", auth: signed, channel_data } });
  assert.deepEqual(JSON.parse(m.data).presence.ids, ["12345678901234567890123"]);
});

test("members that are none are refused", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const token = new c.sdk.constructor.Token(app.key, app.secret);
  for (const channel_data of [
    "{}", "[]", "null", "1", '"anna"', "{", "anna", '{"user_id":null}', '{"user_id":""}', '{"user_id":true}', '{"user_id":{}}', '{"user_id":["a"]}',
    '{"user_info":{"name":"Anna"}}', `{"user_id":"${"x".repeat(129)}"}`, '{"user_id":"a\\u0000b"}',
  ]) {
    const auth = `${app.key}:${token.sign(`${c.id}:${channel}:${channel_data}`)}`;
    const list = await answers(c, { event: "pusher:subscribe", data: { channel, auth, channel_data } });
    assert.equal(list.length, 1, channel_data);
    assert.match(list[0].event, /^pusher:(subscription_)?error$/, channel_data);
  }
  assert.deepEqual((await join(c, channel, { user_id: "x".repeat(128) })).presence.count, 1);
});

test("an app has its limits of members and of what is told of them", async (t) => {
  const server = await gateway(t, { presence_max_members: 2, presence_max_info_bytes: 50 });
  const [a, b, c, d] = [await speak(t, server), await speak(t, server), await speak(t, server), await speak(t, server)];
  const refused = async (client, member) => {
    const list = await answers(client, { event: "pusher:subscribe", data: { channel, ...client.sdk.authorizeChannel(client.id, channel, member) } });
    assert.equal(list.length, 1);
    assert.match(list[0].event, /^pusher:(subscription_)?error$/);
  };
  await refused(a, { user_id: "anna", user_info: { text: "x".repeat(50) } });
  await join(a, channel, { user_id: "anna", user_info: { text: "x".repeat(30) } });
  await join(b, channel, { user_id: "bert" });
  await refused(c, { user_id: "carl" });
  await join(d, channel, { user_id: "bert" }); // who is there already
  assert.deepEqual((await until(a, "pusher_internal:member_added")).length, 1);
  assert.deepEqual(await answers(a), []);
  b.socket.terminate();
  d.socket.terminate();
  await a.json(); // bert has left
  await join(c, channel, { user_id: "carl" });
});

test("a member whose channel data is missing is the user that is signed in", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const { auth } = c.sdk.authorizeChannel(c.id, channel);
  isRefusal(await answers(c, { event: "pusher:subscribe", data: { channel, auth } }), channel);
  const user = c.sdk.authenticateUser(c.id, { id: "anna", user_info: { name: "Anna" } });
  assert.equal((await answers(c, { event: "pusher:signin", data: user }))[0].event, "pusher:signin_success");
  const [m] = await answers(c, { event: "pusher:subscribe", data: { channel, auth } });
  assert.deepEqual(JSON.parse(m.data).presence, { ids: ["anna"], hash: { anna: { name: "Anna" } }, count: 1 });
  // What is signed for the channel counts more.
  const { presence } = await join(c, "presence-other", { user_id: "alias" });
  assert.deepEqual(presence.ids, ["alias"]);
});

test("a member that subscribes once more stays who it is", async (t) => {
  const server = await gateway(t);
  const [a, b] = [await speak(t, server), await speak(t, server)];
  await join(a, channel, { user_id: "anna", user_info: 1 });
  await join(b, channel, { user_id: "bert" });
  await a.json();
  const again = await answers(b, { event: "pusher:subscribe", data: { channel, ...b.sdk.authorizeChannel(b.id, channel, { user_id: "anna", user_info: 2 }) } });
  assert.equal(again.length, 1);
  // A signature that is wrong takes nothing away.
  isRefusal(await answers(b, { event: "pusher:subscribe", data: { channel, auth: "x:y" } }), channel);
  await answers(b, { event: "client-x", channel, data: 1 });
  assert.deepEqual(await answers(a), [{ event: "client-x", channel, data: "1", user_id: "bert" }]);
  assert.deepEqual((await (await a.sdk.get({ path: `/channels/${channel}/users` })).json()).users.map((u) => u.id).sort(), ["anna", "bert"]);
});

// pair gives two raw clients on a channel, the first of which sends.
async function pair(t, server, name, member = (n) => ({ user_id: n })) {
  const [a, b] = [await speak(t, server), await speak(t, server)];
  for (const [c, n] of [[a, "anna"], [b, "bert"]]) await join(c, name, name.startsWith("presence-") ? member(n) : undefined);
  if (name.startsWith("presence-")) await until(a, "pusher_internal:member_added");
  return [a, b];
}

test("client events reach all others on private and presence channels", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  for (const name of ["private-room", channel, "private-cache-room", "presence-cache-room"]) {
    const [anna, bert] = [await connect(server, { backend: there, user: "anna" }), await connect(server, { backend: there, user: "bert" })];
    const [hers, his] = [await subscribe(anna, name), await subscribe(bert, name)];
    const heard = new Promise((resolve) => { his.bind("client-typing", (data, metadata) => resolve({ data, metadata })); });
    assert.equal(hers.trigger("client-typing", { text: "Grüße" }), true);
    const { data, metadata } = await heard;
    assert.deepEqual(data, { text: "Grüße" });
    assert.deepEqual(metadata, name.startsWith("presence-") ? { user_id: "anna" } : {}, name);
    // She herself hears nothing: a ping's answer comes later.
    anna.send_event("pusher:ping", {});
    assert.ok(!(await anna.log.names("pusher:pong")).includes("client-typing"), name);
    for (const p of [anna, bert]) p.disconnect();
  }
});

// As for a typing indicator: trigger("client-typing").
test("a client event may have no data", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const [anna, bert] = [await connect(server, { backend: there, user: "anna" }), await connect(server, { backend: there, user: "bert" })];
  const [hers, his] = [await subscribe(anna, channel), await subscribe(bert, channel)];
  hers.trigger("client-typing");
  hers.trigger("client-end", { n: 1 });
  const seen = await his.log.until("client-end");
  assert.deepEqual(seen.map((e) => e.name), ["client-typing", "client-end"]);
  assert.equal(seen[0].data ?? null, null);
});

test("client events carry any data as it was sent, and the verified user", async (t) => {
  const server = await gateway(t, { client_event_rate: 0 });
  const [a, b] = await pair(t, server, channel, (n) => ({ user_id: n === "anna" ? 10 : n }));
  for (const data of [{ a: [1, "ü"] }, "text", '{"json":"in text"}', "", 0, null, [], true, "x".repeat(9000)]) {
    assert.deepEqual(await answers(a, { event: "client-x", channel, data, user_id: "root", socket_id: b.id, extra: 1 }), []);
    const { data: got, ...rest } = await b.json();
    assert.deepEqual(rest, { event: "client-x", channel, user_id: "10" });
    assert.equal(typeof got, "string");
    assert.equal(got, typeof data === "string" ? data : JSON.stringify(data));
  }
  const [c, d] = await pair(t, server, "private-room");
  assert.deepEqual(await answers(c, { event: "client-x", channel: "private-room", data: { n: 1 }, user_id: "root" }), []);
  assert.deepEqual(await d.json(), { event: "client-x", channel: "private-room", data: '{"n":1}' });
});

test("client events that may not be are refused, and reach nobody", async (t) => {
  const server = await gateway(t);
  const [a, b] = await pair(t, server, "private-room");
  for (const name of ["room", "private-encrypted-room", "cache-room", "private-encrypted-cache-room"]) for (const c of [a, b]) await join(c, name);
  await join(b, "private-other");
  for (const [event, name] of [
    ["client-x", "room"], ["client-x", "cache-room"], ["client-x", "private-encrypted-room"], ["client-x", "private-encrypted-cache-room"],
    ["client-x", "private-other"], ["client-x", "private-nobody"], ["client-x", "presence-nobody"], ["client-x", "#server-to-user-bert"], ["client-x", ""], ["client-x", undefined],
    [`client-${"x".repeat(200)}`, "private-room"], ["client-\u0000", "private-room"],
  ]) {
    const list = await answers(a, { event, channel: name, data: 1 });
    assert.equal(list.length, 1, `${event} on ${name}`);
    isError({ event: list[0].event, data: list[0].data }, list[0].data.code);
  }
  // Of the largest size, and one more.
  const fits = { event: "client-x", channel: "private-room", data: "x".repeat(10_240) };
  assert.deepEqual(await answers(a, fits), []);
  assert.equal((await b.json()).data.length, 10_240);
  const [large] = await answers(a, { ...fits, data: "x".repeat(10_241) });
  assert.equal(large.event, "pusher:error");
  await a.sdk.trigger(["room", "private-room", "private-other"], "end", "x");
  assert.ok((await until(b, "end", (m) => m.channel === "private-other")).every((m) => m.event === "end"));
});

test("pusher-js hears of its error, and stays", async (t) => {
  const server = await gateway(t);
  const pusher = await connect(server);
  const room = await subscribe(pusher, "room");
  room.trigger("client-x", {});
  const error = await pusher.log.take("error");
  assert.equal(error.type, "PusherError");
  assert.match(error.data.message, /\w+ \w+/);
  assert.equal(pusher.connection.state, "connected");
});

test("an app may have no client events", async (t) => {
  const server = await gateway(t, { client_events: false });
  const [a, b] = await pair(t, server, "private-room");
  const [m] = await answers(a, { event: "client-x", channel: "private-room", data: 1 });
  assert.equal(m.event, "pusher:error");
  assert.match(m.data.message, /client events?/i);
  await a.sdk.trigger("private-room", "client-x", "by the server");
  assert.deepEqual(await b.json(), { event: "client-x", channel: "private-room", data: "by the server" });
});

test("a client that sends too many is told 4301, and stays", async (t) => {
  const server = await gateway(t, { client_event_rate: 5 });
  const [a, b] = await pair(t, server, "private-room");
  const list = await answers(a, ...Array.from({ length: 20 }, (_, i) => ({ event: "client-x", channel: "private-room", data: i })));
  assert.ok(list.length >= 10 && list.length <= 15, `${list.length} of 20 were refused`);
  for (const { event, data } of list) isError({ event, data }, 4301);
  await a.sdk.trigger("private-room", "end", "x");
  const heard = (await until(b, "end")).slice(0, -1).map((m) => Number(m.data));
  assert.equal(heard.length, 20 - list.length);
  assert.deepEqual(heard.slice(0, 5), [0, 1, 2, 3, 4]);
  // Another client's rate is its own.
  assert.deepEqual(await answers(b, { event: "client-x", channel: "private-room", data: "mine" }), []);
  assert.equal((await until(a, "client-x")).at(-1).data, "mine");
});
