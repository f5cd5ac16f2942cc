// A socket that a test plays the server of, and time that stands still.

import { afterEach, beforeEach, mock } from "node:test";
import { Stentor } from "../stentor.js";

export class FakeSocket {
  static all = [];

  constructor(url) {
    this.url = new URL(url);
    this.sent = [];
    this.bufferedAmount = 0;
    FakeSocket.all.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) { this.closedWith = code ?? null; }

  // What the server does.

  says(...messages) {
    for (const message of messages) this.onmessage({ data: JSON.stringify(message) });
  }

  welcomes(more = {}) {
    this.says({ type: "welcome", client: `1.${FakeSocket.all.length}`, idle_ms: 120000, pong_ms: 30000, max_bytes: 65536, ...more });
  }

  // answers answers the oldest commands, in order, each by its kind.
  answers(more = {}) {
    for (const { type, id, channel } of this.sent.splice(0)) {
      const kind = { subscribe: "subscribed", unsubscribe: "unsubscribed", publish: "published", presence: "presence", ping: "pong" }[type];
      this.says({ type: kind, id, channel, ...more });
    }
  }

  goes(code = 1006, reason = "") { this.onclose({ code, reason }); }
}

// last returns the newest socket.
export function last() { return FakeSocket.all.at(-1); }

// settle lets all promises have their say, up to what waits for time.
export function settle() { return new Promise((resolve) => { setImmediate(resolve); }); }

// pass lets time go by.
export async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

// client makes a client with a fake socket, and notes its states.
export async function client(options = {}, url = "wss://example.com/ws") {
  const stentor = new Stentor(url, { WebSocket: FakeSocket, ...options });
  stentor.states = [];
  stentor.on("state", (state) => stentor.states.push(state));
  await settle();
  return stentor;
}

// connected makes one that is connected.
export async function connected(options) {
  const stentor = await client(options);
  last().welcomes();
  return stentor;
}

// failure returns what a promise is rejected with.
export function failure(promise) {
  return promise.then(() => { throw new Error("it was fulfilled"); }, (error) => error);
}

// useFakes sets up each test of a file; random is what Math.random returns.
export function useFakes(random = 0.5) {
  beforeEach(() => {
    FakeSocket.all = [];
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    mock.method(Math, "random", () => random);
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
}
