// Stentor's client: channels, presence and publishing over one WebSocket that
// comes back by itself. No dependencies; browsers, and Node.js from 18 on.
// What it speaks is docs/protocol.md, the native dialect. What its public names
// mean is told in stentor.d.ts.

const STABLE = 5000; // ms, after which a connection counts as a success
const LONGEST = 3600e3; // ms, of any wait
const BUFFERED = 4 << 20; // bytes of publications that may wait in the socket
const QUEUED = 1 << 20; // bytes that may wait for a connection
const STAY_AWAY = [4001, 4003, 4403]; // no such app; disabled; told to stay away
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const UNAUTHORISED = 4401;
const SILENT = 4408;

const DEFAULTS = {
  app: undefined,
  token: undefined,
  user: undefined,
  maxQueue: 100,
  heartbeat: 25000,
  timeout: 10000,
  minDelay: 1000,
  maxDelay: 30000,
  WebSocket: undefined,
};

// Names of members that only this file can reach.
const inside = Symbol("inside"); // a subscription's state, which its client keeps
const call = Symbol("call");
const heard = Symbol("heard");
const over = Symbol("over");
const types = Symbol("types");

class StentorError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "StentorError";
    this.code = code;
  }
}

class Emitter {
  #handlers = new Map(); // by type: a Set

  on(type, handler) {
    if (typeof handler !== "function") throw new TypeError(`the handler of "${type}" must be a function`);
    if (!this[types].test(type)) throw new TypeError(`there is no event "${type}": ${this[types].says}`);
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(handler);
    return () => this.off(type, handler);
  }

  off(type, handler) {
    const handlers = this.#handlers.get(type);
    if (handlers?.delete(handler) && handlers.size === 0) this.#handlers.delete(type);
  }

  [heard](type) { return this.#handlers.has(type); }

  // call calls the handlers that there are now and still are when it is their
  // turn. One that throws is reported as any uncaught error is.
  [call](type, ...args) {
    const handlers = this.#handlers.get(type) ?? new Set();
    if (type === "error" && handlers.size === 0) console.warn(String(args[0]));
    for (const handler of [...handlers]) {
      if (!handlers.has(handler) || this[over](type)) continue;
      try {
        handler(...args);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
  }

  [over]() { return false; }
}

class Subscription extends Emitter {
  constructor(client, channel) {
    super();
    this.channel = channel;
    this[inside] = { client, state: "pending", members: undefined, ready: deferred() };
  }

  get state() { return this[inside].state; }
  get ready() { return this[inside].ready.promise; }
  get members() { return [...this[inside].members ?? []].map(member); }

  publish(event, data, options) {
    return this[inside].client.publish({ channel: this.channel }, event, data, options);
  }

  presence() { return this[inside].client.presence(this.channel); }

  async unsubscribe() {
    if (this.state !== "ended") await this[inside].client.unsubscribe(this.channel);
  }

  [over](type) { return this.state === "ended" && type !== "state"; }
}

Subscription.prototype[types] = {
  test: (type) => /^(message|join|leave|members|state|error|event:.+)$/s.test(type),
  says: "there are message, join, leave, members, state and error, and event:NAME for publications of one name",
};

class Stentor extends Emitter {
  #options;
  #url;
  #state = "closed";
  #why = {}; // of the state: code, reason, retryAt
  #client;
  #user;
  #maxBytes = Infinity;
  #socket;
  #turn = 0; // counts attempts to connect; what belongs to an older one has no say
  #timers = {};
  #failures = 0;
  #unauthorised = 0; // times in a row that a token was refused
  #hint; // the server's, how long to stay away
  #hinted = false; // whether the wait goes by it
  #welcomed = false;
  #heardAt = 0;
  #lastID = 0;
  #asked = new Map(); // by id: commands that wait for their answers
  #queue = []; // those that wait for a connection
  #queued = 0; // their bytes
  #subscriptions = new Map(); // by channel: all that have not ended
  #given = new Set(); // those that the backend has made, and the page has not asked for
  #inForce = new Set(); // channels that the server says this client is subscribed to
  #news = []; // what handlers are to be told
  #telling = false;
  #watched; // the listeners on window and document

  constructor(url = "/ws", options) {
    super();
    const chosen = { ...options };
    for (const name of Object.keys(chosen)) {
      if (!(name in DEFAULTS)) throw new TypeError(`there is no option "${name}"; there are ${Object.keys(DEFAULTS).join(", ")}`);
    }
    const given = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
    this.#options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...given };
    if (!(this.#options.maxQueue >= 0)) throw new TypeError('the option "maxQueue" must be a number, 0 or more');
    for (const name of ["heartbeat", "timeout", "minDelay", "maxDelay"]) {
      const ms = this.#options[name];
      if (!(ms > 0 && ms <= LONGEST)) throw new TypeError(`the option "${name}" must be a number of milliseconds, up to ${LONGEST}`);
    }
    if (!["string", "function", "undefined"].includes(typeof (this.#options.token ?? undefined))) {
      throw new TypeError('the option "token" must be a string, or a function that returns one or a promise of one');
    }
    if (typeof this.#options.WebSocket !== "function") {
      throw new TypeError('there is no WebSocket here: give a class as option "WebSocket", that of the package ws for example');
    }
    this.#url = address(url);
    this.#open();
  }

  get state() { return this.#state; }
  get code() { return this.#why.code; }
  get reason() { return this.#why.reason; }
  get retryAt() { return this.#why.retryAt; }
  get client() { return this.#client; }
  get user() { return this.#user; }
  get maxBytes() { return this.#maxBytes; }
  get subscriptions() { return [...this.#subscriptions.values()]; }

  connect() {
    if (this.#state === "closed" || this.#state === "waiting") this.#open();
    this.#flush();
  }

  close() {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    this.#end(1000, "closed by the page");
    socket?.close(1000);
    this.#flush();
  }

  subscribe(channel) {
    if (typeof channel !== "string") throw new TypeError("a channel's name must be a string");
    let subscription = this.#subscriptions.get(channel);
    this.#given.delete(subscription); // from now on it is the page's, too
    if (subscription && subscription.state !== "refused") return subscription;
    if (!subscription) {
      subscription = new Subscription(this, channel);
      this.#subscriptions.set(channel, subscription);
    }
    this.#turnTo(subscription, "pending");
    if (this.#welcomed) this.#ask(subscription);
    else if (this.#state === "closed") subscription[inside].ready.reject(this.#closed());
    this.#flush();
    return subscription;
  }

  async unsubscribe(channel) {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return;
    const sent = this.#welcomed;
    const answered = new Promise((resolve) => { // a loss is an answer, too
      if (sent) this.#control("unsubscribe", channel, resolve);
    });
    this.#forget(subscription);
    this.#flush();
    if (sent) await answered;
  }

  async publish(to, event = "message", data = null, { echo = true } = {}) {
    const { channel, user, all } = typeof to === "string" ? { channel: to } : to ?? {};
    if ([channel, user, all].every((x) => x === undefined)) throw new TypeError("say whom it is for: a channel, { user } or { all: true }");
    if (globalThis.Blob && data instanceof Blob) throw new TypeError("a Blob must be read first: await blob.arrayBuffer()");
    if (JSON.stringify(data) === undefined) throw new TypeError(`data must be JSON or bytes, not a ${typeof data}`);
    const bytes = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
    const { matched } = await this.#command({
      type: "publish", channel, user, all, event,
      data: bytes ? base64(data) : data,
      encoding: bytes ? "base64" : undefined,
      echo: echo ? undefined : false,
    });
    return matched;
  }

  async presence(channel) {
    return (await this.#command({ type: "presence", channel })).members;
  }

  // The connection. Whatever happens, all is in order before a handler hears of
  // it: handlers are called by flush, in the order in which things happened,
  // and may do anything.

  #open() {
    const turn = ++this.#turn;
    this.#clear();
    this.#watch();
    for (const { [inside]: s } of this.#subscriptions.values()) {
      if (s.ready.failed && s.state === "pending") s.ready = deferred();
    }
    this.#timers.connect = setTimeout(() => this.#giveUp(SILENT, "no welcome in time"), this.#options.timeout);
    this.#become("connecting");
    this.#dial(turn);
  }

  async #dial(turn) {
    const { app, token, user, WebSocket } = this.#options;
    await undefined; // nobody's code runs before the caller's has ended
    if (turn !== this.#turn) return;
    const url = new URL(this.#url);
    try {
      const parameters = { app, user, token: typeof token === "function" ? jwt(await token()) : token };
      if (turn !== this.#turn) return;
      for (const [name, value] of Object.entries(parameters)) {
        if (value !== undefined && value !== null) url.searchParams.set(name, value);
      }
    } catch (error) {
      if (turn === this.#turn) this.#noToken(error);
      return;
    }
    try {
      this.#socket = new WebSocket(url.href);
    } catch (error) { // ws: from a page of https:, for one
      this.#end(undefined, `cannot connect: ${error?.message ?? error}`);
      this.#flush();
      return;
    }
    this.#socket.onmessage = ({ data }) => { if (turn === this.#turn) this.#hear(data); };
    this.#socket.onclose = ({ code, reason }) => { if (turn === this.#turn) this.#lost(code, reason); };
    this.#socket.onerror = () => {}; // onclose follows
  }

  // noToken handles what a token function has thrown. It may say, by a code, that
  // there is no way back.
  #noToken(error) {
    if ([UNAUTHORISED, ...STAY_AWAY].includes(error?.code)) this.#end(error.code, error.message);
    else this.#lost(undefined, `no token: ${error?.message ?? error}`);
    this.#flush();
  }

  #giveUp(code, reason) {
    const socket = this.#socket;
    this.#lost(code, reason);
    socket?.close();
  }

  #lost(code, reason) {
    if (STAY_AWAY.includes(code) || code === UNAUTHORISED && !this.#mayAskForToken()) {
      this.#end(code, reason);
    } else {
      const { minDelay, maxDelay } = this.#options;
      const wait = Math.random() * Math.min(maxDelay, minDelay * 2 ** this.#failures++) + (this.#hint ?? 0);
      this.#hinted = this.#hint !== undefined;
      this.#leave("waiting", { code, reason, retryAt: Date.now() + wait });
      this.#timers.retry = setTimeout(() => { this.#open(); this.#flush(); }, wait);
    }
    this.#flush();
  }

  // mayAskForToken reports whether another token may help: one that was over in
  // the moment of its use may be replaced, one that is wrong will be so again.
  #mayAskForToken() {
    return typeof this.#options.token === "function" && ++this.#unauthorised < 2;
  }

  // suspend lets go of the connection while the page is put aside: browsers keep
  // no page for the way back that holds one.
  #suspend() {
    if (this.#state !== "connecting" && this.#state !== "connected") return;
    const socket = this.#socket;
    this.#hinted = false;
    this.#leave("waiting", { reason: "the page is hidden" });
    socket?.close(1000);
    this.#flush();
  }

  // end is the end without a way back, but by connect.
  #end(code, reason) {
    this.#failures = this.#unauthorised = 0;
    this.#unwatch();
    this.#leave("closed", { code, reason });
    for (const { reject } of this.#queue.splice(0)) reject(this.#closed());
    this.#queued = 0;
    for (const { [inside]: s } of this.#subscriptions.values()) s.ready.reject(this.#closed());
  }

  #closed() { return new StentorError("closed", `the connection is closed: ${this.reason || this.code}`); }

  // leave forgets the connection, which may live on a while without a say.
  #leave(state, why) {
    this.#turn++;
    this.#clear();
    this.#socket = this.#client = this.#hint = undefined;
    this.#welcomed = false;
    this.#inForce.clear();
    this.#become(state, why);
    for (const subscription of this.#subscriptions.values()) {
      if (this.#given.has(subscription)) this.#forget(subscription);
      else if (subscription.state === "subscribed") this.#turnTo(subscription, "pending");
    }
    for (const { type, resolve, reject } of this.#asked.values()) {
      if (type === "unsubscribe") resolve();
      else reject?.(new StentorError("lost", "the connection was lost before an answer came: it may have been done, or not"));
    }
    this.#asked.clear();
  }

  #become(state, why = {}) {
    this.#state = state;
    this.#why = why;
    this.#tell(this, "state", state, why);
  }

  #clear() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }

  // Telling.

  #tell(emitter, type, ...args) {
    if (emitter[heard](type) || type === "error") this.#news.push([emitter, type, args]);
  }

  // flush calls handlers. What happens meanwhile is told after that.
  #flush() {
    if (this.#telling) return;
    this.#telling = true;
    for (let next; (next = this.#news.shift());) {
      const [emitter, type, args] = next;
      emitter[call](type, ...args);
    }
    this.#telling = false;
  }

  // Signs of life. A page hears nothing of the server's pings, and its socket
  // may notice only after minutes that the network is gone.

  #beat() {
    const { heartbeat } = this.#options;
    const left = heartbeat - (Date.now() - this.#heardAt);
    if (left > 0 && left <= heartbeat) this.#timers.beat = setTimeout(() => this.#beat(), left);
    else this.#probe();
  }

  #probe() {
    if (!this.#welcomed || this.#timers.probe) return;
    this.#socket.send('{"type":"ping"}');
    this.#timers.probe = setTimeout(() => this.#giveUp(SILENT, "no answer to a ping"), this.#options.timeout);
  }

  #alive() {
    this.#heardAt = Date.now();
    if (!this.#timers.probe) return;
    clearTimeout(this.#timers.probe);
    clearTimeout(this.#timers.beat);
    this.#timers.probe = undefined;
    this.#timers.beat = setTimeout(() => this.#beat(), this.#options.heartbeat);
  }

  // wake looks after the connection when there is reason to: a wait that was
  // the client's own idea is over, a connection is in doubt.
  #wake() {
    if (this.#state !== "waiting") this.#probe();
    else if (!this.#hinted || Date.now() >= this.retryAt) this.connect();
  }

  #watch() {
    if (this.#watched || !globalThis.addEventListener) return;
    const wake = () => this.#wake();
    this.#watched = [
      [globalThis, "online", wake], [globalThis, "offline", () => this.#probe()],
      [globalThis, "pageshow", wake], [globalThis, "pagehide", () => this.#suspend()],
      [globalThis.document, "visibilitychange", () => { if (document.visibilityState === "visible") this.#wake(); }],
    ].filter(([target]) => target);
    for (const [target, type, f] of this.#watched) target.addEventListener(type, f);
  }

  #unwatch() {
    for (const [target, type, f] of this.#watched ?? []) target.removeEventListener(type, f);
    this.#watched = undefined;
  }

  // What arrives.

  #hear(text) {
    this.#alive();
    let m;
    try {
      m = JSON.parse(text);
    } catch {
      return; // no Stentor, or a later one
    }
    this.#handle(m ?? {});
    this.#flush();
  }

  #handle(m) {
    const asked = this.#asked.get(m.id);
    this.#asked.delete(m.id);
    switch (m.type) {
      case "welcome": return this.#welcome(m);
      case "message": return this.#message(m);
      case "join":
      case "leave": return this.#joinOrLeave(m);
      case "subscribed": return this.#subscribed(m);
      case "unsubscribed": return this.#unsubscribed(m, asked);
      case "published":
      case "presence": return asked?.resolve?.(m);
      case "error": return this.#error(new StentorError(m.code, m.message), asked);
      case "bye": this.#hint = Math.min(Math.max(Number(m.retry_ms) || 0, 0), LONGEST);
    }
  }

  #welcome(m) {
    this.#client = m.client;
    this.#user = m.user;
    this.#maxBytes = m.max_bytes ?? Infinity;
    this.#welcomed = true;
    this.#unauthorised = 0;
    clearTimeout(this.#timers.connect);
    this.#timers.stable = setTimeout(() => { this.#failures = 0; }, STABLE);
    this.#timers.beat = setTimeout(() => this.#beat(), this.#options.heartbeat);
    this.#become("connected");
    const { user } = this.#options;
    if (user !== undefined && user !== m.user) {
      this.#tell(this, "error", new StentorError("user_ignored",
        'the server does not believe the option "user": the development app alone does; elsewhere a token says who this is'));
    }
    for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
    for (const command of this.#queue.splice(0)) this.#transmit(command);
    this.#queued = 0;
  }

  #message(m) {
    if (m.encoding === "base64") {
      m.data = bytesOf(m.data);
      delete m.encoding;
    }
    if (m.channel === undefined) {
      this.#tell(this, "message", m);
      return;
    }
    const subscription = this.#current(m.channel);
    if (!subscription) return;
    this.#tell(subscription, "message", m);
    this.#tell(subscription, `event:${m.event}`, m.data, m);
  }

  #error(error, asked) {
    if (asked?.type === "subscribe") this.#refuse(asked.channel, error);
    else if (asked?.type === "unsubscribe") asked.resolve();
    else if (asked) asked.reject(error);
    else this.#tell(this, "error", error);
  }

  // Subscriptions. The page's wish is in #subscriptions, the server's word in
  // #inForce; commands and grants of the backend may cross.

  #ask(subscription) { this.#control("subscribe", subscription.channel); }

  // inFlight reports whether such a command waits for its answer.
  #inFlight(type, channel) {
    for (const asked of this.#asked.values()) {
      if (asked.type === type && asked.channel === channel) return true;
    }
    return false;
  }

  // current returns the subscription that is in force, if any: what comes when
  // an unsubscribe is on its way belongs to none.
  #current(channel) {
    const subscription = this.#subscriptions.get(channel);
    return subscription?.state === "subscribed" ? subscription : undefined;
  }

  #subscribed(m) {
    this.#inForce.add(m.channel);
    if (this.#inFlight("unsubscribe", m.channel)) return; // and so will be over
    let subscription = this.#subscriptions.get(m.channel);
    const given = !subscription;
    if (given) {
      subscription = new Subscription(this, m.channel);
      this.#subscriptions.set(m.channel, subscription);
      this.#given.add(subscription);
      this.#tell(this, "subscription", subscription);
    }
    this.#turnTo(subscription, "subscribed");
    if (m.members) this.#roster(subscription, m.members);
  }

  #unsubscribed(m, asked) {
    this.#inForce.delete(m.channel);
    if (asked) {
      asked.resolve();
      return;
    }
    const subscription = this.#current(m.channel);
    if (!subscription) return;
    if (this.#inFlight("subscribe", m.channel)) this.#turnTo(subscription, "pending");
    else this.#forget(subscription);
  }

  #refuse(channel, error) {
    const subscription = this.#subscriptions.get(channel);
    const comes = this.#inFlight("subscribe", channel) || this.#inForce.has(channel);
    if (subscription && !comes) this.#turnTo(subscription, "refused", error);
  }

  #forget(subscription) {
    this.#subscriptions.delete(subscription.channel);
    this.#given.delete(subscription);
    this.#turnTo(subscription, "ended");
  }

  #turnTo(subscription, state, error) {
    const s = subscription[inside];
    if (s.state === state) return;
    s.state = state;
    if ((state === "pending" || state === "subscribed") && s.ready.failed) s.ready = deferred();
    if (state === "subscribed") s.ready.resolve(subscription);
    if (state === "refused") s.ready.reject(error);
    if (state === "ended") s.ready.reject(new StentorError("ended", `the subscription to ${subscription.channel} has ended`));
    this.#tell(subscription, "state", state);
    if (error) this.#tell(subscription, "error", error);
  }

  // Presence.

  // roster takes the list that comes with each subscription. Who is in one of
  // two lists has come or gone in between.
  #roster(subscription, list) {
    const s = subscription[inside];
    const before = s.members;
    s.members = new Map(list.map(({ user, info }) => [user, info]));
    for (const entry of before ?? []) {
      if (!s.members.has(entry[0])) this.#tell(subscription, "leave", member(entry));
    }
    for (const entry of before ? s.members : []) {
      if (!before.has(entry[0])) this.#tell(subscription, "join", member(entry));
    }
    this.#tellMembers(subscription);
  }

  #joinOrLeave({ type, channel, user, info }) {
    const subscription = this.#current(channel);
    if (!subscription) return;
    const { [inside]: s } = subscription;
    s.members ??= new Map();
    if (type === "join") s.members.set(user, info);
    else s.members.delete(user);
    this.#tell(subscription, type, member([user, info]));
    this.#tellMembers(subscription);
  }

  #tellMembers(subscription) {
    if (subscription[heard]("members")) this.#tell(subscription, "members", subscription.members);
  }

  // What is sent.

  // control sends what must not be held up by publications.
  #control(type, channel, resolve) {
    const id = ++this.#lastID;
    const text = JSON.stringify({ type, channel, id });
    const size = sizeOf(text);
    if (size > this.#maxBytes) {
      this.#error(this.#tooLarge(size), { type, channel, resolve });
      return;
    }
    this.#asked.set(id, { type, channel, resolve });
    this.#socket.send(text);
  }

  // command takes what it is about as it is now.
  #command(command) {
    const id = ++this.#lastID;
    const text = JSON.stringify({ ...command, id });
    const size = sizeOf(text);
    return new Promise((resolve, reject) => {
      const all = { id, text, size, resolve, reject };
      if (this.#state === "closed") {
        reject(this.#closed());
      } else if (this.#welcomed || size > this.#maxBytes) {
        this.#transmit(all);
      } else if (this.#queue.length >= this.#options.maxQueue || this.#queued + size > QUEUED) {
        reject(new StentorError("queue_full", `${this.#queue.length} commands of ${this.#queued} bytes wait for a connection already`));
      } else {
        this.#queue.push(all);
        this.#queued += size;
      }
    });
  }

  #transmit({ id, text, size, resolve, reject }) {
    if (size > this.#maxBytes) {
      reject(this.#tooLarge(size));
    } else if (this.#socket.bufferedAmount > BUFFERED) {
      reject(new StentorError("queue_full", "the network is slower than what is sent"));
    } else {
      this.#asked.set(id, { resolve, reject });
      this.#socket.send(text);
    }
  }

  #tooLarge(size) {
    return new StentorError("too_large", `the message has ${size} bytes; the server takes up to ${this.#maxBytes}`);
  }
}

Stentor.prototype[types] = {
  test: (type) => /^(state|message|subscription|error)$/.test(type),
  says: "there are state, message, subscription and error; channels have more",
};

// address makes a URL for a WebSocket of what people write.
function address(text) {
  let url;
  try {
    if (!(text instanceof URL) && !/^([a-z]+:\/)?\//i.test(text)) throw new TypeError(); // a host would be taken for a path
    url = new URL(text, globalThis.location?.href);
  } catch {
    throw new TypeError(`"${text}" is no URL: write wss://push.example.com/ws, or /ws in a page of the same server`);
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(url.protocol)) throw new TypeError(`"${text}" must begin with wss:, ws:, https: or http:`);
  if (url.pathname === "/") url.pathname = "/ws";
  url.hash = "";
  return url.href;
}

// deferred makes a promise that is settled from outside. Whoever waits for it
// hears of a failure; if nobody does, that is no fault.
function deferred() {
  const d = { failed: false };
  d.promise = new Promise((resolve, reject) => {
    let settled = false;
    d.resolve = (value) => { settled = true; resolve(value); };
    d.reject = (error) => {
      d.failed ||= !settled;
      settled = true;
      reject(error);
    };
  });
  d.promise.catch(() => {});
  return d;
}

// jwt refuses what cannot be a token: an error page in place of one, for example,
// is a reason to ask again, and none to show it to the server.
function jwt(token) {
  if (token === undefined || token === null) return undefined;
  if (typeof token !== "string" || !JWT.test(token)) throw new TypeError("what the function returned is no JWT");
  return token;
}

function member([user, info]) { return info === undefined ? { user } : { user, info }; }

function sizeOf(text) { return new TextEncoder().encode(text).length; }

function bytesOf(text) { return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); }

function base64(data) {
  const view = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < view.length; i += 4096) text += String.fromCharCode(...view.subarray(i, i + 4096));
  return btoa(text);
}

export { Stentor, StentorError, Subscription };
