// What tests of the Pusher Channels protocol need: a server with an app, the
// stock client pusher-js, a backend with the stock SDK, and the bare protocol.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import SDK from "pusher";
import Pusher from "pusher-js";
import { dial } from "./client.js";
import { serve, within } from "./server.js";

// app is the app of most tests, other is a second one.
export const app = { id: "1001", key: "app-key", secret: "app-secret" };
export const other = { id: "1002", key: "other-key", secret: "other-secret" };

// gateway starts the server with the app changed, and with the other app. more
// are keys of the configuration. The server has a folder of its own, for what
// must survive a restart; it may be started again when it has gone.
export async function gateway(t, changes = {}, { flags = [], ...more } = {}) {
  const folder = mkdtempSync(path(tmpdir(), "stentor-pusher-"));
  const file = path(folder, "stentor.yaml");
  writeFileSync(file, JSON.stringify({ data_dir: folder, apps: [{ ...app, ...changes }, other], ...more }));
  const all = ["--config", file, ...flags];
  const starting = serve(t, { flags: all });
  t.after(() => rmSync(folder, { recursive: true })); // after the server, which stops first
  const server = await starting;
  return Object.assign(server, { again: () => server.start("", all) });
}

// Log keeps what happens, in order.
export class Log {
  #events = [];
  #wake = () => {};

  note(name, data) {
    this.#events.push({ name, data });
    this.#wake();
  }

  // until returns all that happens up to an event of that name that fits, and
  // forgets it.
  async until(name, fits = () => true) {
    for (let i = 0; ; i++) {
      while (i >= this.#events.length) {
        const more = new Promise((resolve) => { this.#wake = resolve; });
        await within(more, `${name}, after ${JSON.stringify(this.#events).slice(0, 2000)}`);
      }
      const { name: found, data } = this.#events[i];
      if (found === name && fits(data)) return this.#events.splice(0, i + 1);
    }
  }

  // first returns the next n events, and forgets them.
  async first(n) {
    while (this.#events.length < n) {
      await within(new Promise((resolve) => { this.#wake = resolve; }), `${n} events, after ${JSON.stringify(this.#events)}`);
    }
    return this.#events.splice(0, n);
  }

  // take waits for an event and returns its data; what happened before is
  // forgotten.
  async take(name, fits) { return (await this.until(name, fits)).at(-1).data; }

  // names is until, without data.
  async names(name, fits) { return (await this.until(name, fits)).map((e) => e.name); }
}

// options has pusher-js connect to a server, and ask a backend for signatures
// as a user.
export function options(server, backend, user) {
  const params = user === undefined ? {} : { user };
  return {
    cluster: "any",
    wsHost: "127.0.0.1",
    wsPort: Number(server.host.split(":").at(-1)),
    forceTLS: false,
    enabledTransports: ["ws"],
    channelAuthorization: { endpoint: `${backend?.url}/pusher/auth`, params },
    userAuthentication: { endpoint: `${backend?.url}/pusher/user-auth`, params },
  };
}

// start makes a pusher-js client that ends with the server. Its log has what
// happens to the connection, messages under the names of their events.
export function start(server, { key = app.key, backend, user, ...more } = {}) {
  const pusher = new Pusher(key, { ...options(server, backend, user), ...more });
  // If the server closes for good, pusher-js closes once more, and the WebSocket
  // library in it waits 30 s for an answer, which keeps node from ending.
  let socket;
  pusher.connection.bind("connected", () => { socket = pusher.connection.connection.transport.socket; });
  server.beforeStop(() => {
    pusher.disconnect();
    if (socket?.readyState === 3) clearTimeout(socket._closeTimer);
  });
  pusher.log = new Log();
  pusher.connection.bind_global((name, data) => {
    if (name === "message") pusher.log.note(data.event, data);
    else pusher.log.note(name, data);
  });
  return pusher;
}

// connect is start, and waits for the connection.
export async function connect(server, more) {
  const pusher = start(server, more);
  await pusher.log.until("connected");
  return pusher;
}

// codeOf returns the code of the first error that pusher-js has told of.
export function codeOf(seen) {
  const { data, error } = seen.find((e) => e.name === "error").data;
  return (data ?? error.data).code;
}

// retries returns the delays in ms after which pusher-js has meant to come back.
export function retries(pusher) {
  return pusher.timeline.events.filter((e) => e.action === "retry").map((e) => e.delay);
}

// givesUp waits until pusher-js stops for good, and returns the code.
export async function givesUp(pusher) {
  const seen = await pusher.log.until("disconnected");
  assert.equal(pusher.connection.state, "disconnected");
  assert.deepEqual(retries(pusher), []);
  for (const busy of ["connection", "runner", "retryTimer"]) assert.ok(!pusher.connection[busy], `it would come back: ${busy}`);
  return codeOf(seen);
}

// listen subscribes. The channel's log has what the channel is told.
export function listen(pusher, name) {
  const channel = pusher.subscribe(name);
  channel.log = new Log();
  channel.bind_global((event, data) => channel.log.note(event, data));
  return channel;
}

// subscribe is listen, and waits for the acknowledgement.
export async function subscribe(pusher, name) {
  const channel = listen(pusher, name);
  const failed = new Promise((_, reject) => {
    channel.bind("pusher:subscription_error", (e) => reject(new Error(`${name}: ${JSON.stringify(e)}`)));
  });
  await Promise.race([channel.log.until("pusher:subscription_succeeded"), failed]);
  return channel;
}

// MASTER is the key that encrypted channels' keys are made of.
const MASTER = Buffer.alloc(32, "master").toString("base64");

// sdk makes the stock server SDK talk to a server.
export function sdk(server, { id, key, secret } = app, more = {}) {
  const [host, port] = server.host.split(":");
  return new SDK({ appId: id, key, secret, host, port, useTLS: false, encryptionMasterKeyBase64: MASTER, ...more });
}

// site starts an HTTP server on a free port, which ends with the test.
export async function site(t, answer) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    try {
      await answer(request, response, body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  };
  t.after(close);
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

// backend starts an application with the endpoints that pusher-js and Laravel
// Echo ask for signatures. A request names its user; nobody is refused who
// does. person says who a user is, in user data and members' info.
export async function backend(t, server, { of = app, person = (user) => ({ name: `The ${user}` }), pages = {} } = {}) {
  const here = { sdk: sdk(server, of), asked: [] };
  const { url } = await site(t, (request, response, body) => {
    const { pathname } = new URL(request.url, "http://any");
    if (pages[pathname]) return response.writeHead(200, { "Content-Type": pages[pathname].type }).end(pages[pathname].body);
    const form = new URLSearchParams(body);
    const user = form.get("user") ?? request.headers["x-user"];
    const [socket, channel] = [form.get("socket_id"), form.get("channel_name")];
    here.asked.push({ pathname, socket, channel, user });
    if (!user) return response.writeHead(403).end("who are you?");
    let answer;
    if (pathname.endsWith("/user-auth")) answer = here.sdk.authenticateUser(socket, { id: user, ...here.user?.(user) });
    else if (channel.startsWith("presence-")) answer = here.sdk.authorizeChannel(socket, channel, { user_id: user, user_info: person(user) });
    else answer = here.sdk.authorizeChannel(socket, channel);
    return response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(answer));
  });
  return Object.assign(here, { url });
}

// QUERY is what pusher-js adds to the URL.
export const QUERY = "protocol=7&client=js&version=8.6.0&flash=false";

// speak connects by WebSocket alone, and gives the socket id and the SDK that
// signs for it.
export async function speak(t, server, { of = app, query = QUERY, ...more } = {}) {
  const c = await dial(t, `${server.ws}/app/${of.key}?${query}`, more);
  const { event, data } = await c.json();
  assert.equal(event, "pusher:connection_established");
  c.id = JSON.parse(data).socket_id;
  c.sdk = sdk(server, of);
  return c;
}

// until returns the messages up to one of an event that fits, parsed.
export async function until(c, event, fits = () => true) {
  const list = [];
  do list.push(await c.json()); while (list.at(-1).event !== event || !fits(list.at(-1)));
  return list;
}

// answers sends messages, strings as they are, and returns what the server has
// to say: a ping's answer comes after that of all before it.
export async function answers(c, ...messages) {
  for (const m of messages) c.send(typeof m === "string" || Buffer.isBuffer(m) ? m : JSON.stringify(m));
  c.say({ event: "pusher:ping", data: {} });
  return (await until(c, "pusher:pong")).slice(0, -1);
}

// join subscribes with a right signature, and returns the members of a
// presence channel.
export async function join(c, channel, member) {
  const restricted = /^(private|presence)-/.test(channel);
  const { auth, channel_data } = restricted ? c.sdk.authorizeChannel(c.id, channel, member) : { auth: "" };
  const [first, ...rest] = await answers(c, { event: "pusher:subscribe", data: { channel, auth, channel_data } });
  assert.deepEqual({ ...first, data: undefined }, { event: "pusher_internal:subscription_succeeded", channel, data: undefined }, JSON.stringify(first));
  return { ...JSON.parse(first.data), rest };
}

// isRefusal asserts that messages are one refusal to subscribe to a channel.
export function isRefusal(list, channel, text = /./, status = 401) {
  assert.equal(list.length, 1, JSON.stringify(list));
  const [{ data, ...rest }] = list;
  assert.deepEqual(rest, { event: "pusher:subscription_error", channel });
  assert.equal(data.status, status, JSON.stringify(list));
  assert.equal(typeof data.type, "string");
  assert.match(data.error, text);
}

// isError asserts that a message is an error that tells what is wrong.
export function isError(m, code = null, text = /\w+ \w+/) {
  assert.equal(m.event, "pusher:error", JSON.stringify(m));
  assert.deepEqual(Object.keys(m.data).sort(), ["code", "message"]);
  assert.equal(m.data.code, code, JSON.stringify(m));
  assert.match(m.data.message, text);
}
