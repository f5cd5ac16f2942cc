// Whatever happens: a page, a network and a server do what they like, at random but
// by a seed, and after each thing all must be as it should. One run, or many:
// MODEL_SEED=7 MODEL_RUNS=1 MODEL_STEPS=800 node --test test/model.test.js

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Stentor, StentorError } from "../stentor.js";
import { FakeSocket, settle, useFakes } from "./fake.js";

const { MODEL_SEED = 1, MODEL_RUNS = 150, MODEL_STEPS = 800 } = process.env;
const LONG = "x".repeat(100); // more than some servers take
const CHANNELS = ["a", "b", "presence-r", "private-p", "private-q", LONG];
const CODES = [1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 4001, 4003, 4401, 4403, 4408];

// What may happen, and how often.
const PAGE = often({ subscribe: 8, unsubscribe: 5, publish: 7, presence: 1, connect: 5, close: 1 });
const ALL = often({
  page: 25, time: 4, event: 2, login: 5, silence: 1, publication: 12, visit: 4,
  handshake: 10, answer: 30, arrival: 45, loss: 2, grant: 5, stall: 1,
});

let world;

useFakes();

function often(counts) { return Object.entries(counts).flatMap(([name, n]) => Array(n).fill(name)); }
function chance(p) { return world.random() < p; }
function upTo(n) { return Math.floor(world.random() * n); }
function pick(list) { return list[upTo(list.length)]; }
function names(list) { return [...list].map((x) => x.user ?? x.channel ?? x).sort().join(" "); }
function generator(x) { return () => (x = x * 48271 % 0x7fffffff) / 0x7fffffff; } // Park and Miller's

// Connection is a socket and the server's end of it. What either says is on its way
// until it is answered, or arrives.
class Connection extends FakeSocket {
  name = `socket ${FakeSocket.all.length}`;
  open = false; // the server has welcomed the client
  gone = false; // the server has done with it
  over = false; // the client has been told so
  coming = []; // on its way to the client
  flight = new Map(); // by id: channels of commands whose answers have not arrived
  channels = new Set(); // subscribed to, as the server sees it
  rights = ["a", "b", "presence-r", pick(["a", "private-p"])];

  get live() { return !this.over && this.closedWith === undefined; }

  send(text) {
    const { type, id, channel, data } = JSON.parse(text);
    world.log(`${this.name} > ${text}`);
    if (!this.open || !this.live) throw new Error(`${this.name} is not open`);
    if (type === "publish") world.transmitted(data, this.bufferedAmount);
    if (type.endsWith("subscribe")) this.flight.set(id, channel);
    if (!this.gone) super.send(text);
  }

  handshake() {
    if (this.open || this.gone) return;
    this.open = this.live && (world.calm || chance(0.9));
    if (this.open) this.coming.push({ type: "welcome", client: this.name, max_bytes: pick([120, 65536]) });
    else this.loss([1006, 1013, 4001, 4401]);
  }

  answer() {
    const { type, id, channel, data, echo } = this.sent.shift() ?? {};
    const say = (what, more) => this.coming.push({ type: what, id, ...more });
    if (type === "unsubscribe") this.turn(channel, false, id);
    else if (type === "subscribe" && this.rights.includes(channel)) this.turn(channel, true, id);
    else if (type === "presence" && this.channels.has(channel)) say(type, { members: world.members });
    else if (type === "publish" && channel !== "private-q") {
      say("published", { matched: data });
      world.message(channel, data, echo === false && this);
    } else if (type) say(type === "ping" ? "pong" : "error", { code: "forbidden" });
  }

  // turn subscribes the client, or ends that; grant is the backend's way to it.
  turn(channel, on, id) {
    this.channels[on ? "add" : "delete"](channel);
    const members = on && channel === "presence-r" ? world.members : undefined;
    this.coming.push({ type: on ? "subscribed" : "unsubscribed", id, channel, members });
  }

  grant() {
    const channel = pick(CHANNELS.slice(0, -1));
    if (this.open && !this.gone) this.turn(channel, !this.channels.has(channel));
  }

  stall() { this.bufferedAmount = pick([0, 5 << 20]); }

  loss(codes = CODES) {
    if (this.gone) return;
    this.gone = true;
    this.channels.clear();
    this.sent = [];
    if (chance(0.5)) this.coming = [];
    if (this.open && chance(0.5)) this.coming.push({ type: "bye", retry_ms: upTo(5000) });
    this.coming.push({ close: pick(codes) });
  }

  arrival() {
    const m = this.coming.shift();
    if (!m) return;
    world.log(`${this.name} < ${JSON.stringify(m)}`);
    this.flight.delete(m.id);
    if (this.live) world.expect(m, [...this.flight.values()]);
    this.over = "close" in m;
    if (this.over) this.goes(m.close);
    else this.says(m);
    world.arriving = {};
  }
}

// World is all that there is in one run.
class World {
  lines = []; // the last of what happened
  timers = new Set(); // the client's
  listeners = []; // the client's, with the page
  logins = []; // tokens that are being fetched
  members = [{ user: "me" }]; // of presence-r
  count = 0; // of publications
  sent = [0]; // those that the client has sent
  known = new Map(); // by subscription: what the page knows of it
  wanted = new Map(); // by channel: the subscriptions that the page believes to have
  open = new Set(); // promises that wait
  heard = []; // messages, by handlers
  due = []; // those that should be
  arriving = {}; // what the message means that does: the channel withdrawn, those in flight
  told = "connecting"; // the state, by events
  closings = 0;
  hint = 0; // the server's, how long to stay away

  constructor(seed) {
    this.random = generator(seed * 7919 + 1);
    this.seed = seed;
  }

  log(line) { if (this.lines.push(line.replaceAll(LONG, "LONG")) > 25) this.lines.shift(); }
  fault(text) { this.wrong ??= [`seed ${this.seed}, ${MODEL_STEPS} steps: ${text}`, ...this.lines].join("\n    "); }
  same(what, is, should) { if (is !== should) this.fault(`${what}: "${is}", not "${should}"`); }
  try(f) { try { f(); } catch (error) { this.fault(error.stack); } }

  begin() {
    FakeSocket.all = [];
    this.since = Date.now(); // the last sign of life
    this.client = new Stentor("wss://example.com/ws", { WebSocket: insecure, token: this.token(), maxQueue: 5, maxDelay: 2000 });
    this.listen(this.client, ["state", "message", "subscription", "error"], (type, what, why) => {
      if (type === "state") this.turned(what, why);
      if (type === "subscription" && what.state !== "ended") this.wanted.set(what.channel, this.know(what));
    });
  }

  // token returns one of the ways to come by one.
  token() {
    const login = () => { this.meddle(); if (!this.calm && chance(0.2)) throw new Error("the login is down"); };
    const late = () => new Promise((resolve) => { this.logins.push(resolve); }).then(login);
    const way = pick([login, async () => login(), late]);
    return pick(["static", () => {
      this.same("the state in which a token is fetched", this.client.state, "connecting");
      return way();
    }]);
  }

  // listen has two handlers for each event: the first may do anything, the second
  // is to hear of all in order nevertheless.
  listen(emitter, types, second) {
    const on = (type, f) => emitter.on(type, (...args) => {
      if (emitter.state === "ended" && type !== "state") this.fault(`what has ended tells of ${type}`);
      f(type, ...args);
    });
    for (const type of types) {
      on(type, (_, { data }) => {
        if (type === "message") this.heard.push(`${emitter.channel} ${data}`);
        this.meddle();
      });
      on(type, second);
    }
  }

  know(subscription) {
    if (this.known.has(subscription)) return subscription;
    const { state, members } = subscription;
    const known = { state, members, list: members };
    this.known.set(subscription, known);
    this.listen(subscription, ["message", "event:e", "join", "leave", "members", "error", "state"], (type, what) => {
      if (type === "join") known.members.push(what);
      if (type === "leave") known.members = known.members.filter(({ user }) => user !== what.user);
      if (type === "members") known.list = what;
      if (type === "members" && !known.members.length) known.members = [...what];
      if (type === "state") this.subscriptionTurned(subscription, known, what);
    });
    return subscription;
  }

  subscriptionTurned(subscription, known, state) {
    const { channel } = subscription;
    const { withdrawn, flight } = this.arriving;
    const ended = state === "ended";
    this.log(`${channel} is ${state}`);
    if (known.state === "ended" || known.state === state) this.fault(`${channel} was ${known.state}`);
    if (!known.asked && !ended) this.fault("what the backend has given outlives the connection");
    if (state === "refused" && flight?.includes(channel)) this.fault("a command is on its way that may be granted");
    if (ended && known.asked && !known.left && (withdrawn !== channel || flight.includes(channel))) this.fault("nobody has ended it");
    if (ended && this.wanted.get(channel) === subscription) this.wanted.delete(channel);
    known.state = state;
  }

  turned(state, { code, reason, retryAt }) {
    this.log(`${state} ${code ?? ""} ${reason ?? ""}`);
    const wait = retryAt - Date.now() - this.hint;
    const silent = Date.now() - this.since >= 10e3;
    if (wait < 0 || wait > 2000) this.fault(`it waits ${wait} ms more than the server said`);
    if (this.next?.includes(state) === false) this.fault(`it is not ${this.next}`);
    if (!this.next && !silent && this.told === "connected" && state === "waiting") this.fault("it gives up what lives");
    if (state === "closed") this.closings++;
    Object.assign(this, { told: state, since: Date.now(), hint: 0, next: undefined });
  }

  // What the page does, now and in handlers.

  meddle() { if (!this.calm && chance(0.15)) this.try(() => this.page()); }
  connect() { this.client.connect(); }
  close() { this.client.close(); }
  presence(channel) { this.track(this.client.presence(channel)); }

  page() {
    const [what, channel] = [pick(PAGE), pick(CHANNELS)];
    this.log(`page: ${what} ${channel}`);
    this[what](channel);
  }

  subscribe(channel) {
    const closings = this.client.state === "closed" ? undefined : this.closings;
    const subscription = this.know(this.client.subscribe(channel));
    const { state, ready } = subscription;
    this.known.get(subscription).asked = true;
    if (state === "refused" && channel !== LONG) this.fault("it is not asked again");
    if (state !== "ended") this.wanted.set(channel, subscription); // a handler may have ended it
    this.track(ready, (_, code) => { if (code === "closed" && closings === this.closings) this.fault("it may be ready yet"); });
  }

  // unsubscribe goes by the channel, or by any handle that the page ever had.
  unsubscribe(name) {
    const handle = chance(0.3) && pick([...this.known.keys()]);
    const subscription = handle || this.client.subscriptions.find(({ channel }) => channel === name);
    if (subscription && subscription.state !== "ended") {
      this.known.get(this.know(subscription)).left = true;
      this.wanted.delete(subscription.channel);
    }
    const done = handle ? handle.unsubscribe() : this.client.unsubscribe(name);
    this.track(done, (_, code) => this.same("unsubscribe fails", code, undefined));
  }

  publish(channel) {
    const n = ++this.count;
    this.track(this.client.publish(channel, "e", n, { echo: chance(0.8) }), (matched, code) => {
      this.same(`${n} is sent, ${code}`, this.sent.includes(n), [undefined, "forbidden", "lost"].includes(code));
      if (!code) this.same("matched", matched, n);
    });
  }

  transmitted(n, buffered) {
    if (n <= this.sent.at(-1)) this.fault(`${n} is sent again, or out of order`);
    if (buffered > 4 << 20) this.fault("the network is buried");
    this.sent.push(n);
  }

  // track sees to it that a promise is settled.
  track(promise, check = () => {}) {
    const settled = (value, error) => {
      this.open.delete(promise);
      if (error && !(error instanceof StentorError)) this.fault(error.stack);
      check(value, error?.code);
      this.meddle();
    };
    this.open.add(promise);
    promise.then(settled, (error) => settled(undefined, error));
  }

  // What happens to it.

  get live() { return FakeSocket.all.find(({ live }) => live); }

  happen() {
    const what = pick(ALL);
    if (this[what]) return this[what]();
    if (this.silent && what !== "loss") return undefined;
    const any = pick(FakeSocket.all.filter(({ over }) => !over));
    return (chance(0.8) && this.live || any)?.[what]();
  }

  silence() { this.silent = chance(0.3); }
  time() { this.pass(upTo(pick([3000, 40000]))); }
  event() { this.tell(pick(["online", "offline", "pageshow", "pagehide", "visibilitychange"])); }
  login() { this.logins.splice(upTo(this.logins.length), 1)[0]?.(); }
  publication() { this.message(pick([...CHANNELS, undefined]), ++this.count); }
  message(channel, data, except) { this.send({ type: "message", channel, event: "e", data }, except); }

  visit() {
    const user = pick(["ann", "bob", "eve"]);
    const there = this.members.some((m) => m.user === user);
    this.members = there ? this.members.filter((m) => m.user !== user) : [...this.members, { user }];
    this.send({ type: there ? "leave" : "join", channel: "presence-r", user });
  }

  send(message, except) {
    const meant = ({ channels }) => !message.channel || channels.has(message.channel);
    for (const c of FakeSocket.all) if (c.open && !c.gone && c !== except && meant(c)) c.coming.push(message);
  }

  // pass goes by seconds, as all timers of a tick believe that it is the end of it.
  pass(ms) {
    this.log(`${ms} ms`);
    for (let left = ms; left > 0; left -= 1000) mock.timers.tick(Math.min(left, 1000));
  }

  tell(event) {
    this.log(`page: ${event}`);
    if (event === "pagehide" && this.live) this.next = ["waiting"];
    for (const { type, f } of this.listeners) if (type === event) f();
  }

  // expect notes what must come of a message.
  expect({ type, channel, id, data, retry_ms, close }, flight) {
    const listens = !channel || this.client.subscriptions.some((s) => s.channel === channel && s.state === "subscribed");
    if (type === "message" && listens) this.due.push(`${channel} ${data}`);
    if (type === "bye") this.hint = retry_ms;
    if (close) this.next = { 4001: ["closed"], 4003: ["closed"], 4403: ["closed"], 4401: ["closed", "waiting"] }[close] ?? ["waiting"];
    this.arriving = { flight, withdrawn: type === "unsubscribed" && !id ? channel : undefined };
    this.since = Date.now();
  }

  // What must be.

  // step lets one thing happen, and all that follows while time stands still.
  async step(happen) {
    this.try(happen);
    await settle();
    this.try(() => this.check());
    if (this.wrong) assert.fail(this.wrong);
  }

  check() {
    const { client, told, since } = this;
    const live = FakeSocket.all.filter((c) => c.live).length;
    const tolerable = { connecting: 10e3, connected: 35e3, waiting: client.retryAt - since }[told] + 3000;
    this.same("messages", this.heard.splice(0).join(), this.due.splice(0).join());
    this.same("state by events", told, client.state);
    this.same("what must come", this.next, undefined);
    if (live > (["waiting", "closed"].includes(told) ? 0 : 1)) this.fault(`${told} with ${live} sockets`);
    if (Date.now() - since > tolerable) this.fault(`${told} for too long`);
    const left = [this.open.size, this.timers.size, this.listeners.length].join();
    if (told === "closed") this.same("promises, timers, listeners left", left, "0,0,0");
    for (const [s, known] of this.known) {
      this.same(`state of ${s.channel} by events`, known.state, s.state);
      if (told !== "connected" && s.state === "subscribed") this.fault(`subscribed to ${s.channel} though ${told}`);
    }
    if (this.quiet()) this.agree();
  }

  quiet() {
    const { client, live } = this;
    return client.state === "connected" && !live.gone && live.sent.length + live.coming.length === 0;
  }

  // agree is what must be when nothing is on its way.
  agree() {
    const { subscriptions } = this.client;
    const { channels, rights } = this.live;
    const are = (state) => subscriptions.filter((s) => s.state === state);
    this.same("subscribed", names(are("subscribed")), names(channels));
    this.same("wanted", names(subscriptions), names(this.wanted.keys()));
    this.same("strange", names(subscriptions.filter((s) => this.wanted.get(s.channel) !== s)), "");
    this.same("refused", names(are("refused").filter((s) => rights.includes(s.channel))), "");
    this.same("pending", names(are("pending")), "");
    this.same("promises", this.open.size, 0);
    for (const s of are("subscribed")) {
      s.ready.catch(() => this.fault(`${s.channel} is not ready`));
      const { members, list } = this.known.get(s);
      for (const has of s.channel === "presence-r" ? [s.members, members, list] : []) this.same("members", names(has), names(this.members));
    }
  }

  // rest lets all come to its end that is under way, and brings the client back.
  async rest() {
    Object.assign(this, { calm: true, silent: false });
    for (let n = 0; !this.quiet(); n++) {
      if (n === 1000) this.fault(`no rest: ${this.client.state}`);
      await this.step(() => this.help());
    }
  }

  help() {
    const { client, live } = this;
    if (client.state === "closed") client.connect();
    else if (client.state === "waiting" && !client.retryAt) this.tell("pageshow");
    else if (this.logins.length) this.login();
    else if (!live) this.pass(1000);
    else if (!live.open && !live.gone) live.handshake();
    else if (live.coming.length) live.arrival();
    else live.answer();
  }

  async run() {
    await this.step(() => this.begin());
    for (let i = 0; i < MODEL_STEPS; i++) {
      if (chance(0.01)) await this.rest();
      this.calm = false;
      await this.step(() => this.happen());
    }
    await this.rest();
    for (const channel of CHANNELS) this.message(channel, ++this.count);
    await this.rest();
    await this.step(() => this.close());
    await this.step(() => this.pass(60e3)); // nothing is left that comes back
  }
}

// insecure is the class WebSocket of a browser that sometimes forbids one.
function insecure(url) {
  if (world.calm || chance(0.99)) return new Connection(url);
  world.next = ["closed"];
  throw new Error("insecure");
}

// fakeBrowser makes the world's what is global in a page.
function fakeBrowser() {
  const { setTimeout, clearTimeout } = globalThis;
  globalThis.setTimeout = (f, ms) => {
    const timer = setTimeout(() => { world.timers.delete(timer); f(); }, ms);
    world.timers.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => { world.timers.delete(timer); clearTimeout(timer); };
  globalThis.addEventListener = (type, f) => world.listeners.push({ type, f });
  globalThis.removeEventListener = (type, f) => { world.listeners = world.listeners.filter((l) => l.type !== type || l.f !== f); };
  globalThis.document = { visibilityState: "visible", addEventListener, removeEventListener };
  mock.method(Math, "random", () => world.random());
  mock.method(console, "warn", () => {});
}

test("whatever happens, page and server agree in the end, and nothing comes twice", async (t) => {
  fakeBrowser();
  t.after(() => { for (const name of ["addEventListener", "removeEventListener", "document"]) delete globalThis[name]; });
  for (let i = 0; i < MODEL_RUNS; i++) await (world = new World(Number(MODEL_SEED) + i)).run();
});
