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

test("a grant of the backend counts, whatever the page was told before", async () => {
  const stentor = await connected();
  const [refused, crossing] = [stentor.subscribe("private-x"), stentor.subscribe("private-y")];
  for (const s of [refused, crossing]) s.on("error", () => {});
  const [{ id: x }, { id: y }] = last().sent;
  last().says({ type: "error", id: x, code: "forbidden", message: "no" });
  last().says({ type: "subscribed", channel: "private-x" }, { type: "subscribed", channel: "private-y" });
  last().says({ type: "error", id: y, code: "forbidden", message: "no" });
  assert.deepEqual([refused.state, crossing.state], ["subscribed", "subscribed"]);
  await refused.ready;
  const heard = note(refused, "message");
  last().says(message("private-x", 1));
  assert.equal(heard.length, 1);
});

test("a grant that crosses an unsubscribe is over with it", async () => {
  const stentor = await connected();
  stentor.subscribe("private-x");
  last().answers();
  stentor.unsubscribe("private-x");
  const [{ id }] = last().sent;
  last().says({ type: "subscribed", channel: "private-x" }, message("private-x", 1), { type: "unsubscribed", id, channel: "private-x" });
  assert.deepEqual(stentor.subscriptions, []);
  last().says({ type: "subscribed", channel: "private-x" }); // this one came after it
  assert.equal(stentor.subscriptions.length, 1);
});

test("a subscription that the backend ends while the page asks for it goes on", async () => {
  const stentor = await connected();
  last().says({ type: "subscribed", channel: "private-x" });
  const given = stentor.subscribe("private-x");
  last().says({ type: "unsubscribed", channel: "private-x" });
  assert.equal(given.state, "ended"); // nobody had asked the server
  const own = stentor.subscribe("private-x");
  last().says({ type: "subscribed", channel: "private-x" }, { type: "unsubscribed", channel: "private-x" });
  assert.equal(own.state, "pending");
  last().answers();
  assert.equal(own.state, "subscribed");
});

test("what a handler does is sent in the order in which it was done", async () => {
  const stentor = await connected();
  const first = stentor.subscribe("news");
  last().answers();
  first.on("state", (state) => { if (state === "ended") stentor.subscribe("news"); });
  first.unsubscribe();
  assert.deepEqual(last().sent.map(({ type }) => type), ["unsubscribe", "subscribe"]);
  const refused = stentor.subscribe("private-x");
  refused.on("error", () => {});
  const [, , { id }] = last().sent.splice(0);
  last().says({ type: "error", id, code: "forbidden", message: "no" });
  refused.on("state", (state) => { if (state === "pending") refused.unsubscribe(); });
  stentor.subscribe("private-x");
  assert.deepEqual(last().sent.map(({ type }) => type), ["subscribe", "unsubscribe"]);
});

test("who unsubscribes in a handler hears nothing more, nor do the others", async () => {
  const stentor = await connected();
  const room = stentor.subscribe("presence-room");
  last().answers({ members: [{ user: "me" }] });
  const heard = [];
  room.on("join", () => { heard.push("join"); room.unsubscribe(); });
  room.on("join", () => heard.push("the other"));
  room.on("members", () => heard.push("members"));
  room.on("state", (state) => heard.push(state));
  last().says({ type: "join", channel: "presence-room", user: "bob" });
  assert.deepEqual(heard, ["join", "ended"]);
});

test("an old handle does not end a new subscription", async () => {
  const stentor = await connected();
  const first = stentor.subscribe("news");
  first.unsubscribe();
  const second = stentor.subscribe("news");
  await first.unsubscribe();
  assert.equal(second.state, "pending");
  assert.deepEqual(stentor.subscriptions, [second]);
});

test("who waits until it is ready hears of every end", async () => {
  const stentor = await client();
  const { ready } = stentor.subscribe("news");
  last().goes(4401, "the token is wrong");
  assert.deepEqual([(await failure(ready)).code, stentor.subscribe("news").state], ["closed", "pending"]);
  assert.equal((await failure(stentor.subscribe("other").ready)).code, "closed");
  stentor.connect();
  await settle();
  last().welcomes();
  last().answers();
  await stentor.subscribe("news").ready;
  await stentor.subscribe("other").ready;
});

test("a subscription that was refused and asked again can be waited for", async () => {
  const stentor = await connected();
  const secret = stentor.subscribe("private-x");
  secret.on("error", () => {});
  const [{ id }] = last().sent.splice(0);
  last().says({ type: "error", id, code: "forbidden", message: "no" });
  await failure(secret.ready);
  const again = stentor.subscribe("private-x");
  last().answers();
  assert.equal(await again.ready, secret);
});

test("a channel name that no server takes is refused, and costs nothing else", async () => {
  const stentor = await client();
  const [long, news] = [stentor.subscribe("x".repeat(2000)), stentor.subscribe("news")];
  long.on("error", () => stentor.publish("news", "said", 1));
  last().welcomes({ max_bytes: 1000 });
  assert.deepEqual(last().sent.map(({ type }) => type), ["subscribe", "publish"]);
  last().answers();
  assert.deepEqual([stentor.state, long.state, news.state], ["connected", "refused", "subscribed"]);
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
    ["state", "pending"], ["state", "subscribed"],
    ["leave", { user: "ann" }], ["join", { user: "bob" }], ["members", [{ user: "me" }, { user: "bob" }]],
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
  assert.deepEqual(heard[0][1], { type: "message", event: "message", data: new Uint8Array([0, 255, 16]) });
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
  const stentor = await client({ maxQueue: 2 });
  const [first, second, third] = [1, 2, 3].map((n) => stentor.publish("news", "said", n));
  assert.equal((await failure(third)).code, "queue_full");
  last().welcomes();
  last().answers({ matched: 0 });
  assert.deepEqual(await Promise.all([first, second]), [0, 0]);
});

test("the queue has an end in bytes, too", async () => {
  const stentor = await client();
  const big = "x".repeat(600e3);
  const first = stentor.publish("news", "said", big);
  assert.equal((await failure(stentor.publish("news", "said", big))).code, "queue_full");
  last().welcomes({ max_bytes: 1e6 });
  last().answers({ matched: 0 });
  assert.equal(await first, 0);
  last().goes();
  assert.equal((await failure(stentor.publish("news", "said", big + big))).code, "too_large"); // as the last server has said
});

test("a slow network is not buried, and subscriptions pass", async () => {
  const stentor = await connected();
  last().bufferedAmount = 5 << 20;
  assert.equal((await failure(stentor.publish("news", "said", 1))).code, "queue_full");
  const news = stentor.subscribe("news");
  last().answers();
  assert.equal(news.state, "subscribed");
  news.unsubscribe();
  assert.equal(last().sent.length, 1);
});

test("what is published is what was there when it was published", async () => {
  const stentor = await client();
  const position = { x: 0 };
  const sent = [stentor.publish("news", "move", position)];
  position.x = 1;
  sent.push(stentor.publish("news", "move", position));
  position.self = position;
  await settle();
  last().welcomes();
  assert.deepEqual(last().sent.map(({ data }) => data), [{ x: 0 }, { x: 1 }]);
  last().answers({ matched: 3 });
  assert.deepEqual(await Promise.all(sent), [3, 3]);
});

test("nobody publishes what is no publication", async () => {
  const stentor = await connected();
  stentor.publish({ type: "unsubscribe", id: 99, channel: "news" }, "said", 1);
  await settle();
  assert.deepEqual(last().sent, [{ type: "publish", channel: "news", event: "said", data: 1, id: 1 }]);
  assert.equal((await failure(stentor.publish(null))).name, "TypeError");
});

test("what will not be sent is said to be lost", async () => {
  const stentor = await client();
  const waiting = stentor.publish("news", "said", 1);
  await settle();
  last().goes(4403, "go away");
  const error = await failure(waiting);
  assert.deepEqual([error.code, error.message], ["closed", "the connection is closed: go away"]);
  assert.equal((await failure(stentor.publish("news", "said", 2))).code, "closed");
  stentor.connect();
  await settle();
  last().welcomes();
  assert.deepEqual(last().sent, []);
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
  for (const data of [1n, () => {}, Symbol("x"), new Blob(["x"])]) {
    assert.equal((await failure(stentor.publish("news", "said", data))).name, "TypeError");
  }
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
