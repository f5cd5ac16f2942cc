// Stentor's client: channels, presence and publishing over one WebSocket that
// comes back by itself. No dependencies; browsers, and Node.js from 18 on.
// What it speaks is docs/protocol.md, the native dialect.

const STABLE = 5000; // ms, after which a connection counts as a success
const LONGEST = 3600e3; // ms, of any wait
const BUFFERED = 4 << 20; // bytes that may wait in the socket
const STAY_AWAY = [4001, 4403]; // no such app; told to stay away
const UNAUTHORISED = 4401;
const SILENT = 4408;

const DEFAULTS = {
  app: undefined, // key of the app, where there are several
  token: undefined, // JWT, or a function that returns one or a promise of one
  user: undefined, // who this is; the development app alone believes it
  queue: 100, // commands kept while away
  heartbeat: 25000, // ms of silence before the server is asked for a sign of life
  patience: 10000, // ms to wait for that sign, and for a connection
  least: 1000, // ms, bound of the first random wait before coming back; doubled by each failure
  most: 30000, // ms, greatest bound
  WebSocket: undefined, // a class to use instead of the global one
};

// emit is a method that only this file can name.
const emit = Symbol("emit");

/** An error with a word for programs; docs/protocol.md has those of the server. */
class StentorError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "StentorError";
    this.code = code;
  }
}

class Emitter {
  #handlers = new Map();

  /** on calls a handler for each event of a type and returns a function that ends that. */
  on(type, handler) {
    if (typeof handler !== "function") throw new TypeError(`the handler of "${type}" must be a function`);
    const list = this.#handlers.get(type) ?? [];
    this.#handlers.set(type, [...list, handler]); // a list that is being walked stays as it is
    return () => this.off(type, handler);
  }

  off(type, handler) {
    const list = this.#handlers.get(type) ?? [];
    const at = list.indexOf(handler);
    this.#handlers.set(type, list.filter((_, i) => i !== at));
  }

  // A handler that throws is reported as any uncaught error is; the others are
  // still called.
  [emit](type, ...args) {
    const list = this.#handlers.get(type) ?? [];
    for (const handler of list) {
      try {
        handler(...args);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
    if (type === "error" && list.length === 0) console.warn(String(args[0]));
  }
}

/** A channel that is listened to. It outlives connections. */
class Subscription extends Emitter {
  #client;
  #state = "pending";
  #members;
  #ready;

  constructor(client, channel) {
    super();
    this.#client = client;
    this.channel = channel;
    this.ready = new Promise((resolve, reject) => { this.#ready = { resolve, reject }; });
    this.ready.catch(() => {}); // whoever waits for it hears of it
  }

  get state() { return this.#state; }

  get members() { return [...(this.#members ?? [])].map(member); }

  publish(event, data, options) {
    return this.#client.publish({ channel: this.channel }, event, data, options);
  }

  presence() { return this.#client.presence(this.channel); }

  unsubscribe() { return this.#client.unsubscribe(this.channel); }

  // What the client tells its subscriptions.

  [emit](type, ...args) {
    switch (type) {
      case "message": {
        const [message] = args;
        super[emit]("message", message);
        super[emit](`event:${message.event}`, message.data, message);
        return;
      }
      case "join":
      case "leave": {
        const [{ user, info }] = args;
        this.#members ??= new Map();
        if (type === "join") this.#members.set(user, info);
        else this.#members.delete(user);
        super[emit](type, member([user, info]));
        super[emit]("members", this.members);
        return;
      }
      case "roster":
        this.#roster(...args);
        return;
      case "state":
        this.#become(...args);
        return;
    }
    super[emit](type, ...args);
  }

  // roster takes the list that comes with each subscription. Who came and went
  // between two of them is told as if it had been seen.
  #roster(list) {
    const before = this.#members;
    this.#members = new Map(list.map(({ user, info }) => [user, info]));
    for (const entry of before ?? []) {
      if (!this.#members.has(entry[0])) super[emit]("leave", member(entry));
    }
    for (const entry of before ? this.#members : []) {
      if (!before.has(entry[0])) super[emit]("join", member(entry));
    }
    super[emit]("members", this.members);
  }

  #become(state, error) {
    if (state === this.#state) return;
    this.#state = state;
    if (state === "subscribed") this.#ready.resolve(this);
    if (state === "refused") this.#ready.reject(error);
    if (state === "ended") this.#ready.reject(new StentorError("ended", `the subscription to ${this.channel} has ended`));
    super[emit]("state", state);
    if (error) super[emit]("error", error);
  }
}

/** A client of a Stentor server. */
class Stentor extends Emitter {
  #options;
  #url;
  #state = "closed";
  #why = {}; // of the state: code, reason, retryAt
  #socket;
  #turn = 0; // counts attempts to connect; what belongs to an older one has no say
  #timers = {};
  #failures = 0;
  #hint; // the server's, when to come back
  #hinted = false; // whether the wait goes by it
  #welcomed = false;
  #heardAt = 0;
  #lastID = 0;
  #asked = new Map(); // by id: what waits for an answer
  #queue = []; // what waits for a connection
  #subscriptions = new Map(); // by channel
  #given = new Set(); // those that the backend has made
  #maxBytes = Infinity;
  #watched; // the listeners on window and document

  constructor(url = "/ws", options = {}) {
    super();
    for (const name of Object.keys(options)) {
      if (!(name in DEFAULTS)) throw new TypeError(`there is no option "${name}"; there are ${Object.keys(DEFAULTS).join(", ")}`);
    }
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#options = { ...DEFAULTS, ...given };
    if (!(this.#options.queue >= 0)) throw new TypeError('the option "queue" must be a number, 0 or more');
    for (const name of ["heartbeat", "patience", "least", "most"]) {
      const ms = this.#options[name];
      if (!(ms > 0 && ms <= LONGEST)) throw new TypeError(`the option "${name}" must be a number of milliseconds, up to ${LONGEST}`);
    }
    this.#url = address(url);
    this.client = undefined;
    this.user = undefined;
    this.connect();
  }

  get state() { return this.#state; }
  get code() { return this.#why.code; }
  get reason() { return this.#why.reason; }
  get retryAt() { return this.#why.retryAt; }
  get maxBytes() { return this.#maxBytes; }
  get subscriptions() { return [...this.#subscriptions.values()]; }

  /** connect comes back from "closed", and cuts a wait short. */
  connect() {
    if (this.#state === "closed" || this.#state === "waiting") this.#open();
  }

  /** close ends the connection for good, until connect. */
  close() {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    this.#end(1000, "closed by the page");
    socket?.close(1000);
  }

  /** subscribe listens to a channel, from now on and after each loss. */
  subscribe(channel) {
    if (typeof channel !== "string") throw new TypeError("a channel's name must be a string");
    let subscription = this.#subscriptions.get(channel);
    this.#given.delete(subscription); // from now on it is the page's, too
    if (subscription && subscription.state !== "refused") return subscription;
    if (!subscription) {
      subscription = new Subscription(this, channel);
      this.#subscriptions.set(channel, subscription);
    }
    subscription[emit]("state", "pending");
    if (this.#welcomed) this.#ask(subscription);
    return subscription;
  }

  /** unsubscribe ends a subscription; nothing of it arrives from now on. */
  async unsubscribe(channel) {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return;
    this.#forget(subscription);
    if (!this.#welcomed) return;
    await new Promise((resolve) => {
      this.#send({ type: "unsubscribe", channel }, { resolve, reject: resolve }); // by a loss it ends, too
    });
  }

  /** publish returns a promise of how many connections it is for. */
  async publish(to, event = "message", data = null, { echo = true } = {}) {
    const target = typeof to === "string" ? { channel: to } : to;
    const command = { type: "publish", ...target, event };
    if (!echo) command.echo = false;
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      command.encoding = "base64";
      command.data = base64(data);
    } else {
      command.data = data;
    }
    return (await this.#command(command)).matched;
  }

  /** presence asks who is in a presence channel that is subscribed to. */
  async presence(channel) {
    return (await this.#command({ type: "presence", channel })).members;
  }

  // The connection.

  async #open() {
    const turn = ++this.#turn;
    this.#clear();
    this.#watch();
    this.#timers.connect = setTimeout(() => this.#giveUp(SILENT, "no welcome in time"), this.#options.patience);
    this.#become("connecting");
    if (turn !== this.#turn) return; // a handler has closed it
    const url = new URL(this.#url);
    try {
      const { app, token, user } = this.#options;
      const parameters = { app, user, token: typeof token === "function" ? await token() : token };
      for (const [name, value] of Object.entries(parameters)) {
        if (value !== undefined && value !== null) url.searchParams.set(name, value);
      }
    } catch (error) {
      if (turn === this.#turn) this.#giveUp(undefined, `no token: ${error?.message ?? error}`);
      return;
    }
    if (turn !== this.#turn) return;
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    try {
      this.#socket = new Socket(url.href);
    } catch (error) { // no such class; or ws: from a page of https:
      this.#end(undefined, `cannot connect: ${error?.message ?? error}`);
      return;
    }
    this.#socket.onmessage = ({ data }) => { if (turn === this.#turn) this.#hear(data); };
    this.#socket.onclose = ({ code, reason }) => { if (turn === this.#turn) this.#lost(code, reason); };
    this.#socket.onerror = () => {}; // onclose follows
  }

  #giveUp(code, reason) {
    const socket = this.#socket;
    this.#lost(code, reason);
    socket?.close();
  }

  #lost(code, reason) {
    const newToken = this.#welcomed && typeof this.#options.token === "function";
    if (STAY_AWAY.includes(code) || code === UNAUTHORISED && !newToken) {
      this.#end(code, reason);
      return;
    }
    const { least, most } = this.#options;
    const wait = Math.random() * Math.min(most, least * 2 ** this.#failures++) + (this.#hint ?? 0);
    this.#hinted = this.#hint !== undefined;
    this.#leave("waiting", { code, reason, retryAt: Date.now() + wait }, () => {
      this.#timers.retry = setTimeout(() => this.#open(), wait);
    });
  }

  // end is the end without a way back, but by connect.
  #end(code, reason) {
    this.#failures = 0;
    this.#unwatch();
    const queue = this.#queue.splice(0);
    this.#leave("closed", { code, reason });
    for (const { reject } of queue) reject(new StentorError("closed", `the connection is closed: ${reason || code}`));
  }

  // leave forgets the connection, which may live on a while without a say. All
  // is in order before any handler is called, which may close or connect.
  #leave(state, why, then) {
    this.#turn++;
    this.#clear();
    this.#socket = undefined;
    this.#welcomed = false;
    this.#hint = undefined;
    const subscriptions = [...this.#subscriptions.values()];
    const given = [...this.#given];
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    then?.();
    this.#become(state, why);
    for (const { reject } of asked) {
      reject(new StentorError("lost", "the connection was lost before an answer came: it may have been done, or not"));
    }
    for (const subscription of given) {
      if (this.#given.has(subscription)) this.#forget(subscription);
    }
    for (const subscription of subscriptions) {
      if (subscription.state === "subscribed" && !this.#welcomed) subscription[emit]("state", "pending");
    }
  }

  #become(state, why = {}) {
    this.#state = state;
    this.#why = why;
    this[emit]("state", state, why);
  }

  #clear() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
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
    this.#transmit({ type: "ping" });
    this.#timers.probe = setTimeout(() => this.#giveUp(SILENT, "no answer to a ping"), this.#options.patience);
  }

  #watch() {
    if (this.#watched || !globalThis.addEventListener) return;
    const probe = () => this.#probe();
    const visible = () => { if (document.visibilityState === "visible") this.#probe(); };
    const online = () => {
      if (this.#state === "waiting" && !this.#hinted) this.#open();
      else this.#probe();
    };
    this.#watched = [
      [globalThis, "online", online], [globalThis, "offline", probe], [globalThis, "pageshow", probe],
      [globalThis.document, "visibilitychange", visible],
    ].filter(([target]) => target);
    for (const [target, type, f] of this.#watched) target.addEventListener(type, f);
  }

  #unwatch() {
    for (const [target, type, f] of this.#watched ?? []) target.removeEventListener(type, f);
    this.#watched = undefined;
  }

  // What arrives.

  #hear(text) {
    this.#heardAt = Date.now();
    if (this.#timers.probe) {
      clearTimeout(this.#timers.probe);
      clearTimeout(this.#timers.beat);
      this.#timers.probe = undefined;
      this.#timers.beat = setTimeout(() => this.#beat(), this.#options.heartbeat);
    }
    let m;
    try {
      m = JSON.parse(text);
    } catch {
      return; // no Stentor, or a later one
    }
    const asked = this.#asked.get(m?.id);
    this.#asked.delete(m?.id);
    const subscription = this.#subscriptions.get(m?.channel);
    switch (m?.type) {
      case "welcome":
        this.#welcome(m);
        break;
      case "message":
        if (m.encoding === "base64") m.data = bytes(m.data);
        if (m.channel === undefined) this[emit]("message", m);
        else this.#tell(subscription, "message", m);
        break;
      case "join":
      case "leave":
        this.#tell(subscription, m.type, m);
        break;
      case "subscribed":
        if (asked) asked.resolve(m);
        else if (!subscription) this.#give(m);
        break;
      case "unsubscribed":
        if (asked) asked.resolve(m);
        else if (subscription?.state === "subscribed") this.#forget(subscription);
        break;
      case "published":
      case "presence":
        asked?.resolve(m);
        break;
      case "error": {
        const error = new StentorError(m.code, m.message);
        if (asked) asked.reject(error);
        else this[emit]("error", error);
        break;
      }
      case "bye":
        this.#hint = Math.min(Math.max(Number(m.retry_ms) || 0, 0), LONGEST);
        break;
    }
  }

  // tell passes on what comes while a subscription is in force: not what is
  // left of one before it.
  #tell(subscription, type, m) {
    if (subscription?.state === "subscribed") subscription[emit](type, m);
  }

  #welcome(m) {
    this.client = m.client;
    this.user = m.user;
    this.#maxBytes = m.max_bytes ?? Infinity;
    this.#welcomed = true;
    clearTimeout(this.#timers.connect);
    this.#timers.stable = setTimeout(() => { this.#failures = 0; }, STABLE);
    this.#timers.beat = setTimeout(() => this.#beat(), this.#options.heartbeat);
    for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
    for (const { command, resolve, reject } of this.#queue.splice(0)) this.#send(command, { resolve, reject });
    this.#become("connected");
  }

  // Subscriptions.

  #ask(subscription) {
    const turn = this.#turn;
    const current = () => turn === this.#turn && this.#subscriptions.get(subscription.channel) === subscription;
    this.#send({ type: "subscribe", channel: subscription.channel }, {
      resolve: (m) => {
        if (!current()) return;
        if (m.members) subscription[emit]("roster", m.members);
        if (current()) subscription[emit]("state", "subscribed");
      },
      reject: (error) => { if (current()) subscription[emit]("state", "refused", error); },
    });
  }

  // give makes a subscription of what the backend has subscribed this client
  // to. It ends with the connection: the backend decides about the next.
  #give(m) {
    const subscription = new Subscription(this, m.channel);
    this.#subscriptions.set(m.channel, subscription);
    this.#given.add(subscription);
    if (m.members) subscription[emit]("roster", m.members);
    subscription[emit]("state", "subscribed");
    this[emit]("subscription", subscription);
  }

  #forget(subscription) {
    if (this.#subscriptions.get(subscription.channel) === subscription) this.#subscriptions.delete(subscription.channel);
    this.#given.delete(subscription);
    subscription[emit]("state", "ended");
  }

  // What is sent.

  #command(command) {
    return new Promise((resolve, reject) => {
      JSON.stringify(command); // what has no JSON is the caller's fault, now
      if (this.#welcomed) {
        this.#send(command, { resolve, reject });
      } else if (this.#state === "closed") {
        reject(new StentorError("closed", `the connection is closed: ${this.reason || this.code}`));
      } else if (this.#queue.length >= this.#options.queue) {
        reject(new StentorError("queue_full", `${this.#queue.length} commands wait for a connection already`));
      } else {
        this.#queue.push({ command, resolve, reject });
      }
    });
  }

  #send(command, answer) {
    const id = ++this.#lastID;
    const text = JSON.stringify({ ...command, id });
    const size = new TextEncoder().encode(text).length;
    if (size > this.#maxBytes) {
      answer.reject(new StentorError("too_large", `the message has ${size} bytes; the server takes up to ${this.#maxBytes}`));
    } else if (this.#socket.bufferedAmount > BUFFERED) {
      answer.reject(new StentorError("queue_full", "the network is slower than what is sent"));
    } else {
      this.#asked.set(id, answer);
      this.#socket.send(text);
    }
  }

  #transmit(command) { this.#socket.send(JSON.stringify(command)); }
}

// address makes a URL for a WebSocket of what people write.
function address(text) {
  let url;
  try {
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

function member([user, info]) { return info === undefined ? { user } : { user, info }; }

function bytes(text) { return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); }

function base64(data) {
  const view = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < view.length; i += 4096) text += String.fromCharCode(...view.subarray(i, i + 4096));
  return btoa(text);
}

export { Stentor, StentorError, Subscription };
