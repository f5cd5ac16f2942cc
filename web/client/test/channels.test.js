// Subscriptions, presence and publishing.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { FakeSocket, client, connected, failure, last, pass, settle, useFakes } from "./fake.js";

useFakes();

// note keeps what a subscription tells.
function note(emitter, ...types) {
  const heard = [];
  for (const type of types) emitter.on(type, (...args) => heard.push([type, ...args]));
  return heard;
}

const message = (channel, data, more = {}) => ({ type: "message", channel, event: "said", data, ...more });

test("a subscription waits for the connection, and comes back with it", async () => {
  const stentor = await client();
  const news = stentor.subscribe("news");
  const heard = note(news, "state", "message");
  last().welcomes();
  assert.deepEqual(last().sent, [{ type: "subscribe", channel: "news", id: 1 }]);
  last().answers();
  assert.equal(await news.ready, news);
  last().says(message("news", "before"));
  last().goes();
  assert.equal(news.state, "pending");
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent.map(({ type, channel }) => [type, channel]), [["subscribe", "news"]]);
  last().answers();
  last().says(message("news", "after"));
  assert.deepEqual(heard.map(([, what]) => what.data ?? what), ["subscribed", "before", "pending", "subscribed", "after"]);
});

test("one channel is one subscription", async () => {
  const stentor = await connected();
  const news = stentor.subscribe("news");
  assert.equal(stentor.subscribe("news"), news);
  assert.equal(last().sent.length, 1);
  assert.deepEqual(stentor.subscriptions, [news]);
  assert.throws(() => stentor.subscribe(7), TypeError);
});

test("events are told by name, too, and each to its own channel", async () => {
  const stentor = await connected();
  const [a, b] = [stentor.subscribe("a"), stentor.subscribe("b")];
  last().answers();
  const heard = [];
  a.on("event:said", (data, m) => heard.push(["a", data, m.user]));
  b.on("event:said", (data) => heard.push(["b", data]));
  a.on("event:other", () => heard.push("never"));
  const own = note(stentor, "message");
  last().says(message("a", 1, { user: "ann" }), message("b", 2), { type: "message", event: "psst", data: 3 });
  assert.deepEqual(heard, [["a", 1, "ann"], ["b", 2]]);
  assert.deepEqual(own, [["message", { type: "message", event: "psst", data: 3 }]]);
});

test("nothing of a channel comes after unsubscribe, or before it is subscribed again", async () => {
  const stentor = await connected();
  const first = stentor.subscribe("news");
  last().answers();
  const before = note(first, "message", "state");
  const done = first.unsubscribe();
  const second = stentor.subscribe("news");
  assert.notEqual(second, first);
  const after = note(second, "message");
  last().says(message("news", "on its way"));
  const [unsubscribe, subscribe] = last().sent;
  last().says({ type: "unsubscribed", id: unsubscribe.id, channel: "news" });
  await done;
  last().says(message("news", "cannot be"));
  last().says({ type: "subscribed", id: subscribe.id, channel: "news" }, message("news", "new"));
  assert.deepEqual(before, [["state", "ended"]]);
  assert.deepEqual(after.map(([, m]) => m.data), ["new"]);
});

test("unsubscribe is for good, also while away", async () => {
  const stentor = await connected();
  const news = stentor.subscribe("news");
  last().goes();
  await news.unsubscribe();
  await stentor.unsubscribe("never was");
  assert.equal((await failure(news.ready)).code, "ended");
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent, []);
});

test("an answer that is lost does not hold up unsubscribe", async () => {
  const stentor = await connected();
  const news = stentor.subscribe("news");
  last().answers();
  const done = news.unsubscribe();
  last().goes();
  await done;
  assert.equal(news.state, "ended");
});

test("a refusal is told, and tried again after a loss", async () => {
  const stentor = await connected();
  const secret = stentor.subscribe("private-x");
  const heard = note(secret, "state", "error");
  const [{ id }] = last().sent;
  last().says({ type: "error", id, code: "forbidden", message: "the token does not name it" });
  assert.equal((await failure(secret.ready)).code, "forbidden");
  assert.deepEqual(heard.map(([type, what]) => [type, what.code ?? what]), [["state", "refused"], ["error", "forbidden"]]);
  last().says(message("private-x", "cannot be"));
  assert.equal(heard.length, 2);
  last().goes();
  await pass(1000);
  last().welcomes();
  last().answers();
  assert.equal(secret.state, "subscribed");
});

test("what was refused can be asked again at once", async () => {
  const stentor = await connected();
  const secret = stentor.subscribe("private-x");
  secret.on("error", () => {});
  const [{ id }] = last().sent.splice(0);
  last().says({ type: "error", id, code: "forbidden", message: "no" });
  assert.equal(stentor.subscribe("private-x"), secret);
  assert.equal(secret.state, "pending");
  last().answers();
  assert.equal(secret.state, "subscribed");
});

test("an error that nobody listens for is shown to the developer", async () => {
  const stentor = await connected();
  const warn = mock.method(console, "warn", () => {});
  stentor.subscribe("bad name");
  const [{ id }] = last().sent;
  last().says({ type: "error", id, code: "bad_channel", message: "it has a space" }, { type: "error", code: "bad_json", message: "what?" });
  assert.deepEqual(warn.mock.calls.map(({ arguments: [text] }) => text), ["StentorError: it has a space", "StentorError: what?"]);
});

test("the backend may subscribe, and end it", async () => {
  const stentor = await connected();
  const own = stentor.subscribe("own");
  last().answers();
  const given = note(stentor, "subscription");
  last().says({ type: "subscribed", channel: "presence-given", members: [{ user: "ann" }] });
  const [[, subscription]] = given;
  assert.deepEqual([subscription.channel, subscription.state, subscription.members], ["presence-given", "subscribed", [{ user: "ann" }]]);
  assert.equal(stentor.subscribe("presence-given"), subscription);
  const heard = note(subscription, "message");
  last().says(message("presence-given", 1));
  last().says({ type: "unsubscribed", channel: "presence-given" }, { type: "unsubscribed", channel: "own" });
  assert.deepEqual([heard.length, subscription.state, own.state, stentor.subscriptions], [1, "ended", "ended", []]);
});

test("what the backend has given ends with the connection", async () => {
  const stentor = await connected();
  last().says({ type: "subscribed", channel: "private-given" });
  const [given] = stentor.subscriptions;
  last().goes();
  assert.equal(given.state, "ended");
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent, []);
});

test("what the backend has given and the page wants, too, comes back", async () => {
  const stentor = await connected();
  last().says({ type: "subscribed", channel: "private-given" });
  const given = stentor.subscribe("private-given");
  last().goes();
  assert.equal(given.state, "pending");
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent.map(({ channel }) => channel), ["private-given"]);
});

// Presence.

test("members are those of the list, and who came and went since", async () => {
  const stentor = await connected();
  const room = stentor.subscribe("presence-room");
  const heard = note(room, "join", "leave");
  last().answers({ members: [{ user: "me" }, { user: "ann", info: { name: "Ann" } }] });
  assert.deepEqual(room.members, [{ user: "me" }, { user: "ann", info: { name: "Ann" } }]);
  last().says({ type: "join", channel: "presence-room", user: "bob" }, { type: "leave", channel: "presence-room", user: "ann", info: { name: "Ann" } });
  assert.deepEqual(room.members, [{ user: "me" }, { user: "bob" }]);
  assert.deepEqual(heard, [["join", { user: "bob" }], ["leave", { user: "ann", info: { name: "Ann" } }]]);
});

test("who came and went while away is told", async () => {
  const stentor = await connected();
  const room = stentor.subscribe("presence-room");
  last().answers({ members: [{ user: "me" }, { user: "ann" }] });
  const heard = note(room, "join", "leave", "members", "state");
  last().goes();
  assert.deepEqual(room.members.length, 2); // as last heard
  await pass(1000);
  last().welcomes();
  last().answers({ members: [{ user: "me" }, { user: "bob" }] });
  assert.deepEqual(heard, [
    ["state", "pending"],
    ["leave", { user: "ann" }], ["join", { user: "bob" }], ["members", [{ user: "me" }, { user: "bob" }]],
    ["state", "subscribed"],
  ]);
});

test("the server can be asked who is there", async () => {
  const stentor = await connected();
  const asked = stentor.presence("presence-room");
  await settle();
  last().answers({ members: [{ user: "ann" }] });
  assert.deepEqual(await asked, [{ user: "ann" }]);
});

// Publishing.

test("a publication says how many it is for", async () => {
  const stentor = await connected();
  const news = stentor.subscribe("news");
  last().answers();
  const sent = [
    news.publish("said", { text: "hi" }),
    stentor.publish("news", "said", "x", { echo: false }),
    stentor.publish({ user: "ann" }),
    stentor.publish({ all: true }, "announcement", null),
    news.publish("bytes", new Uint8Array([0, 255, 16]).subarray(1)),
    news.publish("bytes", new Uint8Array(20000).buffer),
  ];
  await settle();
  const commands = structuredClone(last().sent).map(({ id, ...command }) => command);
  assert.equal(commands.pop().data.length, 26668);
  assert.deepEqual(commands, [
    { type: "publish", channel: "news", event: "said", data: { text: "hi" } },
    { type: "publish", channel: "news", event: "said", data: "x", echo: false },
    { type: "publish", user: "ann", event: "message", data: null },
    { type: "publish", all: true, event: "announcement", data: null },
    { type: "publish", channel: "news", event: "bytes", data: "/xA=", encoding: "base64" },
  ]);
  last().answers({ matched: 17 });
  assert.deepEqual(await Promise.all(sent), [17, 17, 17, 17, 17, 17]);
});

test("bytes arrive as bytes", async () => {
  const stentor = await connected();
  const heard = note(stentor, "message");
  last().says({ type: "message", event: "message", encoding: "base64", data: "AP8Q" });
  assert.deepEqual(heard[0][1].data, new Uint8Array([0, 255, 16]));
});

test("a refused publication says why", async () => {
  const stentor = await connected();
  const sent = stentor.publish("news", "said", 1);
  await settle();
  const [{ id }] = last().sent;
  last().says({ type: "error", id, code: "forbidden", message: "you may not" });
  const error = await failure(sent);
  assert.deepEqual([error.name, error.code, error.message], ["StentorError", "forbidden", "you may not"]);
});

test("what is sent while away goes out once, in order, after the subscriptions", async () => {
  const stentor = await client();
  const sent = [1, 2, 3].map((n) => stentor.publish("news", "said", n));
  stentor.subscribe("news");
  await settle();
  last().goes();
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent.map(({ type, data }) => [type, data]), [["subscribe", undefined], ["publish", 1], ["publish", 2], ["publish", 3]]);
  last().answers({ matched: 1 });
  assert.deepEqual(await Promise.all(sent), [1, 1, 1]);
  last().goes();
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent.map(({ type }) => type), ["subscribe"]);
});

test("what may have been done is not sent again", async () => {
  const stentor = await connected();
  const sent = stentor.publish("news", "said", 1);
  await settle();
  assert.equal(last().sent.length, 1);
  last().goes();
  assert.equal((await failure(sent)).code, "lost");
  await pass(1000);
  last().welcomes();
  assert.deepEqual(last().sent, []);
});

test("the queue has an end", async () => {
  const stentor = await client({ queue: 2 });
  const [first, second, third] = [1, 2, 3].map((n) => stentor.publish("news", "said", n));
  assert.equal((await failure(third)).code, "queue_full");
  last().welcomes();
  last().answers({ matched: 0 });
  assert.deepEqual(await Promise.all([first, second]), [0, 0]);
});

test("a slow network is not buried", async () => {
  const stentor = await connected();
  last().bufferedAmount = 5 << 20;
  assert.equal((await failure(stentor.publish("news", "said", 1))).code, "queue_full");
});

test("what will not be sent is said to be lost", async () => {
  const stentor = await client();
  const waiting = stentor.publish("news", "said", 1);
  await settle();
  last().goes(4403, "go away");
  const error = await failure(waiting);
  assert.deepEqual([error.code, error.message], ["closed", "the connection is closed: go away"]);
  assert.equal((await failure(stentor.publish("news", "said", 2))).code, "closed");
});

test("a message that is too large costs itself only", async () => {
  const stentor = await client();
  const early = stentor.publish("news", "said", "é".repeat(500));
  await settle();
  last().welcomes({ max_bytes: 1000 });
  const error = await failure(early);
  assert.equal(error.code, "too_large");
  assert.match(error.message, /^the message has 10\d\d bytes; the server takes up to 1000$/);
  assert.deepEqual(last().sent, []);
  assert.equal(stentor.state, "connected");
});

test("what has no JSON is the caller's fault", async () => {
  const stentor = await connected();
  const circle = {};
  circle.self = circle;
  assert.equal((await failure(stentor.publish("news", "said", circle))).name, "TypeError");
  assert.equal((await failure(stentor.publish("news", "said", 1n))).name, "TypeError");
  assert.deepEqual(last().sent, []);
});

test("after close and connect all is as before", async () => {
  const stentor = await connected();
  const news = stentor.subscribe("news");
  last().answers();
  stentor.close();
  assert.equal(news.state, "pending");
  stentor.connect();
  await settle();
  last().welcomes();
  last().answers();
  assert.equal(news.state, "subscribed");
  assert.equal(FakeSocket.all.length, 2);
});
