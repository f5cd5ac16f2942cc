// How a client connects, comes back, and stays away.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Stentor } from "../stentor.js";
import { FakeSocket, client, connected, last, pass, settle, useFakes } from "./fake.js";

useFakes();

test("addresses are taken as people write them", async () => {
  for (const [written, meant] of [
    ["wss://example.com/ws", "wss://example.com/ws"],
    ["https://example.com", "wss://example.com/ws"],
    ["http://127.0.0.1:8080/push/ws?x=1#top", "ws://127.0.0.1:8080/push/ws?x=1"],
    [new URL("ws://[::1]:8080/"), "ws://[::1]:8080/ws"],
  ]) {
    await client({}, written);
    assert.equal(last().url.href, meant);
  }
});

test("in a page an address may be a path", async (t) => {
  globalThis.location = { href: "https://shop.example.com/cart?id=1" };
  t.after(() => { delete globalThis.location; });
  new Stentor(undefined, { WebSocket: FakeSocket });
  await settle();
  assert.equal(last().url.href, "wss://shop.example.com/ws");
  await client({}, "/push/ws");
  assert.equal(last().url.href, "wss://shop.example.com/push/ws");
});

test("what makes no sense is refused at once", () => {
  for (const [url, options, says] of [
    ["/ws", {}, /no URL/], // there is no page here
    ["ftp://example.com", {}, /must begin with/],
    ["example.com/ws", {}, /no URL: write wss:/],
    ["127.0.0.1:8080", {}, /no URL: write wss:/],
    [{ app: "x" }, {}, /no URL/],
    [8080, {}, /no URL/],
    ["wss://example.com", { token: Promise.resolve("a.b.c") }, /"token" must be a string, or a function/],
    ["wss://example.com", { tokken: "x" }, /no option "tokken"/],
    ["wss://example.com", { maxQueue: -1 }, /"maxQueue" must be a number/],
    ["wss://example.com", { heartbeat: "soon" }, /"heartbeat" must be a number/],
    ["wss://example.com", { timeout: 0 }, /"timeout" must be a number of milliseconds, up to/],
    ["wss://example.com", { maxDelay: Infinity }, /"maxDelay" must be/], // no timer is so long
  ]) {
    assert.throws(() => new Stentor(url, { WebSocket: FakeSocket, ...options }), { name: "TypeError", message: says });
  }
  assert.equal(FakeSocket.all.length, 0);
});

test("it tells who it is, and learns who it is", async () => {
  const stentor = await client({ app: "shop", token: "a.b.c", user: "ann" });
  assert.equal(last().url.search, "?app=shop&user=ann&token=a.b.c");
  assert.equal(stentor.state, "connecting");
  last().welcomes({ client: "1.2", user: "ann", max_bytes: 1000 });
  assert.deepEqual([stentor.state, stentor.client, stentor.user, stentor.maxBytes], ["connected", "1.2", "ann", 1000]);
  assert.deepEqual(stentor.states, ["connected"]); // it was connecting when it was made
});

test("a token is fetched for each connection", async () => {
  let n = 0;
  await client({ token: async () => `a.b.${++n}` });
  assert.equal(last().url.searchParams.get("token"), "a.b.1");
  last().welcomes();
  last().goes();
  await pass(1000);
  assert.equal(last().url.searchParams.get("token"), "a.b.2");
});

test("no token is no reason to stop trying", async () => {
  let fails = true;
  const stentor = await client({ token: () => { if (fails) throw new Error("the login is down"); } });
  assert.deepEqual([stentor.state, stentor.reason, FakeSocket.all.length], ["waiting", "no token: the login is down", 0]);
  fails = false;
  await pass(1000);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(last().url.search, "");
});

test("what is no token is not shown to the server", async () => {
  for (const [what, says] of [["", /no JWT/], ["<html>502</html>", /no JWT/], [{ token: "a.b.c" }, /no JWT/]]) {
    const stentor = await client({ token: () => what });
    assert.deepEqual([stentor.state, FakeSocket.all.length], ["waiting", 0]);
    assert.match(stentor.reason, says);
  }
  await client({ token: () => null }); // without one
  assert.equal(last().url.search, "");
});

test("a token function can say that there is no way back", async () => {
  for (const code of [4001, 4003, 4401, 4403]) {
    const stentor = await client({ token: () => { throw Object.assign(new Error("not logged in"), { code }); } });
    assert.deepEqual([stentor.states, stentor.code, stentor.reason], [["closed"], code, "not logged in"]);
  }
  const stentor = await client({ token: () => { throw Object.assign(new Error("down"), { code: "ECONNREFUSED" }); } });
  assert.equal(stentor.state, "waiting");
});

test("a user that the server does not believe is told of", async () => {
  const stentor = await client({ user: "ann" });
  const heard = [];
  stentor.on("error", ({ code }) => heard.push(code));
  last().welcomes({ user: "ann" });
  last().goes();
  await pass(1000);
  last().welcomes();
  assert.deepEqual(heard, ["user_ignored"]);
});

test("a token that comes too late has no say", async () => {
  const release = [];
  const stentor = await client({ token: () => new Promise((resolve) => release.push(resolve)) });
  await pass(10000);
  assert.equal(stentor.state, "waiting");
  await pass(1000);
  release[0]("a.b.old");
  await settle();
  assert.equal(FakeSocket.all.length, 0);
  release[1]("a.b.new");
  await settle();
  assert.equal(last().url.searchParams.get("token"), "a.b.new");
});

test("where no WebSocket can be made it says why", async (t) => {
  const stentor = await client({ WebSocket: class { constructor() { throw new Error("insecure"); } } });
  assert.deepEqual([stentor.states, stentor.state, stentor.reason], [["closed"], "closed", "cannot connect: insecure"]);
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  t.after(() => { if (WebSocket) globalThis.WebSocket = WebSocket; });
  assert.throws(() => new Stentor("wss://example.com"), { name: "TypeError", message: /no WebSocket here/ });
  await pass(1e6);
  assert.equal(stentor.state, "closed");
});

test("no welcome in time is a loss", async () => {
  const stentor = await client();
  await pass(9999);
  assert.equal(stentor.state, "connecting");
  await pass(1);
  assert.deepEqual([stentor.state, stentor.code, last().closedWith], ["waiting", 4408, null]);
});

test("the wait is random up to a bound that doubles with each failure", async () => {
  const stentor = await client();
  for (const bound of [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]) {
    last().goes();
    assert.equal(stentor.retryAt, Date.now() + bound / 2);
    await pass(bound / 2 - 1);
    assert.equal(stentor.state, "waiting");
    await pass(1);
    assert.equal(stentor.state, "connecting");
  }
});

test("all of the wait is random", async () => {
  const stentor = await connected();
  mock.method(Math, "random", () => 0);
  last().goes();
  assert.equal(stentor.retryAt, Date.now());
});

test("a connection that has lasted makes good for the failures", async () => {
  const stentor = await client();
  const wait = async () => {
    last().goes();
    const ms = stentor.retryAt - Date.now();
    await pass(ms);
    return ms;
  };
  assert.deepEqual([await wait(), await wait(), await wait()], [500, 1000, 2000]);
  last().welcomes();
  await pass(4999);
  assert.equal(await wait(), 4000); // too short
  last().welcomes();
  await pass(5000);
  assert.equal(await wait(), 500);
});

test("the server's hint is kept to, whatever the network does", async (t) => {
  const page = pretendPage(t);
  const stentor = await connected();
  last().says({ type: "bye", code: 1012, reason: "the server restarts", retry_ms: 7000 });
  last().goes(1012, "the server restarts");
  assert.deepEqual([stentor.state, stentor.code, stentor.reason, stentor.retryAt], ["waiting", 1012, "the server restarts", Date.now() + 7500]);
  page.dispatchEvent(new Event("online"));
  await pass(7499);
  assert.equal(stentor.state, "waiting");
  await pass(1);
  assert.equal(stentor.state, "connecting");
  last().goes(); // the hint was for one time
  assert.equal(stentor.retryAt, Date.now() + 1000);
});

test("it stays away when it is told to", async () => {
  for (const code of [4001, 4003, 4401, 4403]) {
    for (const welcomed of [false, true]) {
      const stentor = await client({ token: "static" });
      if (welcomed) last().welcomes();
      last().goes(code, "because");
      assert.deepEqual([stentor.state, stentor.code, stentor.reason], ["closed", code, "because"]);
      const before = FakeSocket.all.length;
      await pass(1e6);
      assert.equal(FakeSocket.all.length, before);
    }
  }
});

test("it comes back after every other end", async () => {
  for (const code of [1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4408]) {
    const stentor = await connected();
    last().goes(code);
    assert.deepEqual([stentor.state, stentor.code], ["waiting", code]);
  }
});

test("a token that is over is replaced, one that is wrong is not", async () => {
  let n = 0;
  const stentor = await client({ token: () => `a.b.${++n}` });
  const tokens = () => FakeSocket.all.map(({ url }) => url.searchParams.get("token")).join(" ");
  last().goes(4401, "the token is over"); // it was when it arrived
  await pass(1000);
  last().welcomes();
  last().goes(4401, "the token is over");
  assert.equal(stentor.state, "waiting");
  await pass(1000);
  assert.equal(tokens(), "a.b.1 a.b.2 a.b.3");
  last().goes(4401, "the signature is wrong"); // again, without a welcome
  assert.equal(stentor.state, "closed");
});

test("connect cuts a wait short, and changes nothing otherwise", async () => {
  const stentor = await connected();
  stentor.connect();
  assert.equal(FakeSocket.all.length, 1);
  last().goes();
  stentor.connect();
  await settle();
  assert.equal(FakeSocket.all.length, 2);
  stentor.connect();
  await pass(1000); // nothing is left of the wait
  assert.equal(FakeSocket.all.length, 2);
});

test("close ends it until connect", async () => {
  const stentor = await connected();
  stentor.close();
  assert.deepEqual([stentor.state, stentor.code, last().closedWith], ["closed", 1000, 1000]);
  await pass(1e6);
  assert.equal(FakeSocket.all.length, 1);
  stentor.close();
  stentor.connect();
  await settle();
  last().welcomes();
  assert.deepEqual(stentor.states, ["connected", "closed", "connecting", "connected"]);
});

test("close while a token is being fetched, or while waiting, is an end", async () => {
  let release;
  const stentor = await client({ token: () => new Promise((resolve) => { release = resolve; }) });
  stentor.close();
  release("a.b.c");
  await pass(1e6);
  assert.deepEqual([stentor.state, FakeSocket.all.length], ["closed", 0]);
  const other = await connected();
  last().goes();
  other.close();
  await pass(1e6);
  assert.deepEqual([other.state, FakeSocket.all.length], ["closed", 1]);
});

test("an older connection has no say", async () => {
  const stentor = await connected();
  const old = last();
  await pass(25000);
  await pass(10000); // given up
  await pass(1000);
  last().welcomes();
  assert.equal(FakeSocket.all.length, 2);
  const heard = [];
  stentor.on("message", (m) => heard.push(m.event));
  old.says({ type: "message", event: "old" }, { type: "bye", retry_ms: 1e6 });
  last().says({ type: "message", event: "new" });
  old.goes(4403);
  assert.equal(stentor.state, "connected");
  assert.deepEqual(heard, ["new"]);
  last().goes();
  assert.equal(stentor.retryAt, Date.now() + 1000); // no hint
});

// Signs of life.

test("silence is asked about, and ends the connection", async () => {
  const stentor = await connected();
  await pass(24999);
  assert.deepEqual(last().sent, []);
  await pass(1);
  assert.deepEqual(last().sent, [{ type: "ping" }]);
  await pass(9999);
  assert.equal(stentor.state, "connected");
  await pass(1);
  assert.deepEqual([stentor.state, stentor.code, last().closedWith], ["waiting", 4408, null]);
});

test("an answer is a sign of life", async () => {
  const stentor = await connected();
  for (let i = 0; i < 5; i++) {
    await pass(25000);
    assert.deepEqual(last().sent.splice(0), [{ type: "ping" }]);
    await pass(9000);
    last().says({ type: "pong" });
  }
  assert.equal(stentor.state, "connected");
});

test("who hears something does not ask", async () => {
  await connected();
  for (let i = 0; i < 20; i++) {
    await pass(20000);
    last().says({ type: "message", event: "tick", data: i });
  }
  assert.deepEqual(last().sent, []);
});

test("a clock that is set back does not put off the question", async () => {
  await connected();
  await pass(20000);
  last().says({ type: "message", event: "tick" });
  const { now } = Date;
  mock.method(Date, "now", () => now() - 3600e3);
  await pass(5000);
  assert.deepEqual(last().sent, [{ type: "ping" }]);
});

// What a browser tells.

// Page counts those who listen.
class Page extends EventTarget {
  listeners = 0;

  addEventListener(...args) { this.listeners++; super.addEventListener(...args); }
  removeEventListener(...args) { this.listeners--; super.removeEventListener(...args); }
}

function pretendPage(t) {
  const page = new Page();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  globalThis.document = new Page();
  globalThis.document.visibilityState = "visible";
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    delete globalThis.document;
  });
  return page;
}

test("a network that comes back is used at once", async (t) => {
  const page = pretendPage(t);
  const stentor = await connected();
  for (let i = 0; i < 6; i++) {
    last().goes();
    if (i < 5) await pass(30000);
  }
  page.dispatchEvent(new Event("online"));
  assert.equal(stentor.state, "connecting");
});

test("a connection is tried when there is reason to doubt it", async (t) => {
  const page = pretendPage(t);
  const stentor = await connected();
  for (const doubt of [
    () => page.dispatchEvent(new Event("offline")),
    () => page.dispatchEvent(new Event("online")),
    () => page.dispatchEvent(new Event("pageshow")),
    () => document.dispatchEvent(new Event("visibilitychange")),
  ]) {
    doubt();
    doubt(); // one question is enough
    assert.deepEqual(last().sent.splice(0), [{ type: "ping" }]);
    last().says({ type: "pong" });
  }
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual(last().sent, []);
  page.dispatchEvent(new Event("offline"));
  await pass(10000);
  assert.equal(stentor.state, "waiting");
});

test("what is closed hears nothing of the page", async (t) => {
  const page = pretendPage(t);
  const stentor = await connected();
  last().goes();
  await pass(1000);
  assert.deepEqual([page.listeners, document.listeners], [4, 1]); // once, however often it connects
  stentor.close();
  assert.deepEqual([page.listeners, document.listeners], [0, 0]);
});

test("a page that is put aside lets go of the connection, and has it again when it is back", async (t) => {
  const page = pretendPage(t);
  const stentor = await connected();
  const news = stentor.subscribe("news");
  last().answers();
  page.dispatchEvent(new Event("pagehide"));
  assert.deepEqual([stentor.state, stentor.reason, last().closedWith], ["waiting", "the page is hidden", 1000]);
  await pass(1e6);
  assert.equal(FakeSocket.all.length, 1);
  page.dispatchEvent(new Event("pageshow"));
  await settle();
  last().welcomes();
  last().answers();
  assert.deepEqual([stentor.state, news.state], ["connected", "subscribed"]);
});

test("who comes back to a page need not wait for what is over", async (t) => {
  pretendPage(t);
  const stentor = await connected();
  const show = () => document.dispatchEvent(new Event("visibilitychange"));
  last().says({ type: "bye", code: 1012, retry_ms: 60000 });
  last().goes(1012);
  show();
  assert.equal(stentor.state, "waiting"); // the server's time is kept to
  const { now } = Date;
  mock.method(Date, "now", () => now() + 3600e3); // the machine has slept
  show();
  assert.equal(stentor.state, "connecting");
});

// Handlers.

test("a handler that throws is reported, and the others are called", async () => {
  const stentor = await connected();
  const thrown = [];
  mock.method(globalThis, "queueMicrotask", (f) => thrown.push(f));
  const heard = [];
  stentor.on("message", () => { throw new Error("a fault"); });
  const off = stentor.on("message", (m) => heard.push(m.event));
  last().says({ type: "message", event: "one" });
  off();
  last().says({ type: "message", event: "two" });
  assert.deepEqual(heard, ["one"]);
  assert.equal(thrown.length, 2);
  assert.throws(thrown[0], /a fault/);
  assert.throws(() => stentor.on("message"), TypeError);
});

test("a handler may take itself and others away", async () => {
  const stentor = await connected();
  const heard = [];
  const off = stentor.on("message", () => { heard.push("first"); off(); stentor.off("message", third); });
  const second = () => heard.push("second");
  const third = () => heard.push("third");
  for (const handler of [second, third, second]) stentor.on("message", handler);
  last().says({ type: "message" }, { type: "message" });
  assert.deepEqual(heard, ["first", "second", "second"]);
});

test("an event that there is not is a fault", async () => {
  const stentor = await connected();
  assert.throws(() => stentor.on("conected", () => {}), { name: "TypeError", message: /no event "conected": there are state,/ });
  assert.throws(() => stentor.subscribe("news").on("said", () => {}), { name: "TypeError", message: /event:NAME/ });
});

test("all handlers hear of things in the order in which they happened", async () => {
  const stentor = await client();
  const heard = [];
  stentor.on("state", (state) => { if (state === "connected") stentor.close(); });
  stentor.on("state", (state) => heard.push(state));
  last().welcomes();
  assert.deepEqual(heard, ["connected", "closed"]);
});

test("a handler may close and connect", async () => {
  for (const state of ["connecting", "connected", "waiting"]) {
    const stentor = await client();
    stentor.on("state", (now) => { if (now === state) stentor.close(); });
    last().welcomes();
    if (state !== "connected") last().goes();
    await pass(1e6);
    assert.equal(stentor.state, "closed", state);
  }
  const stentor = await client();
  stentor.on("state", (now) => { if (now === "waiting" || now === "closed") stentor.connect(); });
  last().goes();
  await settle();
  assert.equal(FakeSocket.all.length, 5);
  last().welcomes();
  stentor.close();
  await settle();
  assert.equal(FakeSocket.all.length, 6);
  last().welcomes();
  await pass(20000);
  assert.equal(stentor.state, "connected");
});

test("a subscription's handler may close", async () => {
  const stentor = await connected();
  const room = stentor.subscribe("presence-room");
  const off = room.on("members", () => stentor.close());
  last().answers({ members: [{ user: "ann" }] });
  assert.deepEqual([stentor.state, room.state], ["closed", "pending"]);
  off();
  stentor.connect();
  await settle();
  last().welcomes();
  last().answers({ members: [{ user: "ann" }] });
  room.on("state", () => stentor.close());
  last().goes();
  assert.equal(stentor.state, "closed");
  await pass(1e6);
  assert.equal(stentor.state, "closed");
});

test("no hint makes the wait endless", async () => {
  for (const [hint, wait] of [[1e15, 3600e3], [-5, 0], ["soon", 0], [undefined, 0], ["2000", 2000]]) {
    const stentor = await connected();
    last().says({ type: "bye", code: 1012, retry_ms: hint });
    last().goes(1012);
    assert.equal(stentor.retryAt, Date.now() + wait + 500);
  }
});

test("what is no message of a Stentor does no harm", async () => {
  const stentor = await connected();
  const heard = [];
  stentor.on("message", (m) => heard.push(m));
  for (const data of ["", "{", "null", "1", '"text"', "[]", "{}", '{"type":"news from the future"}', '{"type":"published","id":77}',
    '{"type":"subscribed","id":77,"channel":"x"}', '{"type":"join","channel":"nobody","user":"x"}', '{"type":"message","channel":"nobody"}']) {
    last().onmessage({ data });
  }
  assert.equal(stentor.state, "connected");
  assert.deepEqual(heard, []);
});
