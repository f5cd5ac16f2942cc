// A WebSocket client for tests, over the package ws.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import WebSocket from "ws";
import { within } from "./server.js";

// dial connects and waits until the handshake is over. The client ends with
// the test.
export async function dial(t, url, { protocols = [], ...options } = {}) {
  const client = new Client(new WebSocket(url, protocols, options));
  t.after(() => client.socket.terminate());
  await client.expect("open");
  return client;
}

// refused connects where the server answers the handshake with an error, and
// returns the HTTP status and the body.
export async function refused(t, url, options) {
  const socket = new WebSocket(url, options);
  t.after(() => socket.terminate());
  return within(new Promise((resolve, reject) => {
    socket.on("open", () => reject(new Error(`${url} accepts`)));
    socket.on("error", reject);
    socket.on("unexpected-response", async (_, response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    });
  }), `the refusal of ${url}`);
}

// Client keeps what happens, in order. A test asks for each event in turn, so
// that one that is too many or in the wrong place is noticed.
class Client {
  #events = [];
  #wake = () => {};

  constructor(socket) {
    this.socket = socket;
    const note = (type, value) => {
      this.#events.push({ type, value });
      this.#wake();
    };
    socket.on("open", () => note("open"));
    socket.on("message", (data, binary) => note(binary ? "binary" : "text", binary ? data : data.toString()));
    socket.on("ping", (data) => note("ping", data.toString()));
    socket.on("pong", (data) => note("pong", data.toString()));
    socket.on("close", (code, reason) => note("close", { code, reason: reason.toString() }));
    socket.on("error", (error) => note("error", error.message));
  }

  // next returns the next event.
  async next(what = "something to happen") {
    if (this.#events.length === 0) {
      await within(new Promise((resolve) => { this.#wake = resolve; }), what);
    }
    return this.#events.shift();
  }

  // expect returns the value of the next event, which must be of a type.
  async expect(type) {
    const event = await this.next(type);
    assert.equal(event.type, type, `expected ${type}, not ${JSON.stringify(event)}`);
    return event.value;
  }

  text() { return this.expect("text"); }
  binary() { return this.expect("binary"); }
  closed() { return this.expect("close"); }
  async json() { return JSON.parse(await this.text()); }

  send(data, options) { this.socket.send(data, options); }
  say(command) { this.send(JSON.stringify(command)); }

  // ask sends a native command and returns the next message.
  async ask(command) {
    this.say(command);
    return this.json();
  }
}

// token makes a JWT, signed with an app's secret by HS256.
export function token(secret, claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
