// The Pusher Channels protocol: users that sign in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, app, backend, connect, gateway, givesUp, isError, isRefusal, join, Log, other, sdk, speak, start, subscribe } from "./pusher.js";

// signIn signs a raw client in and returns what it is answered.
function signIn(c, user) {
  return answers(c, { event: "pusher:signin", data: c.sdk.authenticateUser(c.id, user) });
}

// signs signs user data as it is written.
const signs = (c, user_data, secret = app.secret) => ({
  auth: `${app.key}:${new c.sdk.constructor.Token(app.key, secret).sign(`${c.id}::user::${user_data}`)}`,
  user_data,
});

test("a user signs in by pusher-js and is sent events on all connections", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const devices = [];
  for (const user of ["anna", "anna", "bert"]) {
    const pusher = await connect(server, { backend: there, user });
    pusher.user.log = new Log();
    pusher.user.bind_global((event, data) => pusher.user.log.note(event, data));
    pusher.signin();
    await pusher.user.signinDonePromise;
    assert.deepEqual(pusher.user.user_data, { id: user });
    await pusher.log.until("pusher_internal:subscription_succeeded", (e) => e.channel === `#server-to-user-${user}`);
    devices.push(pusher);
  }
  await there.sdk.sendToUser("anna", "hello", { text: "Grüße" });
  for (const { user } of devices.slice(0, 2)) assert.deepEqual(await user.log.until("hello"), [{ name: "hello", data: { text: "Grüße" } }]);
  await there.sdk.sendToUser("bert", "end", "x");
  assert.deepEqual(await devices[2].user.log.names("end"), ["end"]);
  await there.sdk.sendToUser("nobody", "hello", "x");
});

test("the answer to a sign-in has the data as they came", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  const user_data = ' { "id" : "anna" , "user_info":{"name":"\\u00dc"} ,"more":[1.0] } ';
  const [m, ...rest] = await answers(c, { event: "pusher:signin", data: signs(c, user_data) });
  assert.deepEqual(m, { event: "pusher:signin_success", data: { user_data } });
  assert.deepEqual(rest, []);
});

test("sign-ins that are forged, replayed or incomplete are refused", async (t) => {
  const server = await gateway(t);
  const [c, d] = [await speak(t, server), await speak(t, server)];
  const anna = '{"id":"anna"}';
  const right = signs(c, anna);
  const hex = right.auth.split(":")[1];
  for (const data of [
    { auth: "", user_data: anna },
    { auth: hex, user_data: anna },
    { auth: `${other.key}:${hex}`, user_data: anna },
    { auth: `${app.key}:${"0".repeat(64)}`, user_data: anna },
    { auth: right.auth.slice(0, -1), user_data: anna },
    { auth: right.auth, user_data: '{"id":"root"}' },
    { auth: right.auth, user_data: `${anna} ` },
    signs(d, anna),
    signs(c, anna, other.secret),
    { auth: c.sdk.authorizeChannel(c.id, "presence-a", { id: "anna" }).auth, user_data: anna },
    ...["{}", "[]", "null", "1", '"anna"', "{", "", '{"id":""}', '{"id":1}', '{"id":null}', '{"id":["a"]}', '{"id":"a b"}', '{"id":"ä"}', '{"id":"a#b"}', `{"id":"${"x".repeat(129)}"}`,
      '{"id":"anna","watchlist":"bert"}', '{"id":"anna","watchlist":[1]}', '{"user_id":"anna"}'].map((text) => signs(c, text)),
  ]) {
    const list = await answers(c, { event: "pusher:signin", data });
    assert.equal(list.length, 1, JSON.stringify(data));
    isError(list[0], list[0].data.code);
  }
  await c.sdk.sendToUser("anna", "secret", "x");
  assert.deepEqual(await answers(c), []);
  // Nothing of this keeps it from signing in.
  assert.equal((await signIn(c, { id: "anna" }))[0].event, "pusher:signin_success");
});

test("a client that is signed in stays who it is", async (t) => {
  const server = await gateway(t);
  const c = await speak(t, server);
  await signIn(c, { id: "anna" });
  const [as] = await signIn(c, { id: "bert" });
  isError(as, as.data.code);
  assert.deepEqual(await join(c, "room"), { rest: [] });
  const again = await signIn(c, { id: "anna" });
  assert.ok(again.length <= 1 && again.every((m) => m.event === "pusher:signin_success"), JSON.stringify(again));
  const [a, b] = [{ channel: "#server-to-user-anna", auth: "" }, { channel: "#server-to-user-bert", auth: "" }];
  assert.equal((await answers(c, { event: "pusher:subscribe", data: a }))[0].event, "pusher_internal:subscription_succeeded");
  isRefusal(await answers(c, { event: "pusher:subscribe", data: b }), b.channel, /./);
});

test("a user's channel is for that user alone, whatever is signed", async (t) => {
  const server = await gateway(t);
  const [c, d] = [await speak(t, server), await speak(t, server)];
  await signIn(d, { id: "bert" });
  const channel = "#server-to-user-anna";
  const token = new c.sdk.constructor.Token(app.key, app.secret);
  for (const client of [c, d]) {
    const auth = `${app.key}:${token.sign(`${client.id}:${channel}`)}`;
    for (const data of [{ channel }, { channel, auth: "" }, { channel, auth }, { channel, auth, channel_data: '{"user_id":"anna"}' }]) {
      isRefusal(await answers(client, { event: "pusher:subscribe", data }), channel);
    }
  }
  await c.sdk.sendToUser("anna", "secret", "x");
  for (const client of [c, d]) assert.deepEqual(await answers(client), []);
});

test("pusher-js learns that it could not sign in", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  there.sdk = sdk(server, { ...app, secret: "not the secret" });
  const pusher = await connect(server, { backend: there, user: "anna" });
  pusher.signin();
  const { type, data } = await pusher.log.take("error");
  assert.equal(type, "PusherError");
  assert.match(data.message, /\w+ \w+/);
  assert.equal(pusher.user.user_data, null);
  assert.equal(pusher.connection.state, "connected");
});

test("a user's connections are terminated, and nobody else's", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const anna = await connect(server, { backend: there, user: "anna" });
  const bert = await connect(server, { backend: there, user: "bert" });
  for (const pusher of [anna, bert]) {
    pusher.signin();
    await pusher.log.until("pusher:signin_success");
  }
  const c = await speak(t, server);
  await signIn(c, { id: "anna" });
  // A member of that name is not signed in as such.
  const member = await speak(t, server);
  await join(member, "presence-room", { user_id: "anna" });
  assert.deepEqual(await (await there.sdk.terminateUserConnections("anna")).json(), {});
  assert.equal((await c.closed()).code, 4009);
  assert.equal(await givesUp(anna), 4009);
  assert.deepEqual(await (await there.sdk.terminateUserConnections("nobody")).json(), {});
  await there.sdk.sendToUser("bert", "still", "x");
  await bert.log.until("still");
  assert.deepEqual(await answers(member), []);
});

test("a watchlist tells who is online, and who comes and goes", async (t) => {
  const server = await gateway(t, { watchlist: true });
  const there = await backend(t, server);
  const bert = await speak(t, server);
  await signIn(bert, { id: "bert" });

  there.user = (user) => (user === "anna" ? { watchlist: ["bert", "carl", "dora"] } : {});
  const anna = start(server, { backend: there, user: "anna" });
  const log = new Log();
  for (const name of ["online", "offline"]) anna.user.watchlist.bind(name, (e) => e.user_ids.forEach((id) => log.note(`${id} ${name}`)));
  anna.signin();
  assert.deepEqual((await log.first(3)).map((e) => e.name).sort(), ["bert online", "carl offline", "dora offline"]);

  const carl = [await speak(t, server), await speak(t, server)];
  await signIn(carl[0], { id: "carl" });
  assert.deepEqual(await log.names("carl online"), ["carl online"]);
  await signIn(carl[1], { id: "carl" });
  carl[0].socket.terminate();
  bert.socket.terminate();
  assert.deepEqual(await log.names("bert offline"), ["bert offline"]);
  carl[1].socket.terminate();
  assert.deepEqual(await log.names("carl offline"), ["carl offline"]);
});

test("the frame of a watchlist is as pusher-js reads it, and only apps that ask have one", async (t) => {
  const server = await gateway(t, { watchlist: true });
  const c = await speak(t, server);
  c.say({ event: "pusher:signin", data: c.sdk.authenticateUser(c.id, { id: "anna", watchlist: ["bert"] }) });
  assert.equal((await c.json()).event, "pusher:signin_success");
  assert.deepEqual(await c.json(), { event: "pusher_internal:watchlist_events", data: '{"events":[{"name":"offline","user_ids":["bert"]}]}' });

  const without = await speak(t, server, { of: other });
  assert.deepEqual((await signIn(without, { id: "anna", watchlist: ["bert"] })).map((m) => m.event), ["pusher:signin_success"]);
  await signIn(await speak(t, server, { of: other }), { id: "bert" });
  assert.deepEqual(await answers(without), []);
});

test("a watchlist of more than 100 is cut, and its client told 4302", async (t) => {
  const server = await gateway(t, { watchlist: true });
  const c = await speak(t, server);
  const all = Array.from({ length: 101 }, (_, i) => `user-${i}`);
  const list = await signIn(c, { id: "anna", watchlist: all });
  const users = (m) => JSON.parse(m.data).events.flatMap((e) => e.user_ids);
  const told = [];
  const errors = [];
  while (told.length < 100) {
    const m = list.shift() ?? await c.json();
    if (m.event === "pusher:error") errors.push(m);
    if (m.event === "pusher_internal:watchlist_events") told.push(...users(m));
  }
  assert.deepEqual(told.sort(), all.slice(0, 100).sort());
  assert.equal(errors.length, 1);
  isError(errors[0], 4302);
  await signIn(await speak(t, server), { id: "user-100" });
  await signIn(await speak(t, server), { id: "user-0" });
  assert.deepEqual(users(await c.json()), ["user-0"]);
});

test("where clients have to authorise themselves, those that do not are closed with 4009", async (t) => {
  const server = await gateway(t, { authorization_timeout: "400ms" });
  const there = await backend(t, server);
  const [idle, user, member, failed] = [await speak(t, server), await speak(t, server), await speak(t, server), await speak(t, server)];
  await signIn(user, { id: "anna" });
  await join(member, "private-room");
  await join(idle, "room");
  isRefusal(await answers(failed, { event: "pusher:subscribe", data: { channel: "private-room", auth: `${app.key}:00` } }), "private-room");
  const pusher = start(server);
  const mine = await connect(server, { backend: there, user: "bert" });
  await subscribe(mine, "presence-room");
  assert.equal((await idle.closed()).code, 4009);
  assert.equal((await failed.closed()).code, 4009);
  assert.equal(await givesUp(pusher), 4009);
  // The time of all others is over, too.
  for (const c of [user, member]) assert.deepEqual(await answers(c), []);
  assert.equal(mine.connection.state, "connected");
});
