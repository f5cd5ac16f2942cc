// The demo with stock pusher-js: the connection, signing in, a presence channel
// with client events, and what backends push. docs/pusher.md is about the rest.

import { copy } from "/assets/copy.js";

const { Pusher } = window; // of the script before this one
const APP = { id: "dev", key: "dev-key", secret: "dev-secret" }; // the development app, which everybody knows
const ROOM = "presence-demo";
const NAME = /^[\w-]{1,32}$/; // a user's id, and nothing to a shell
const KEPT = 200; // lines of a list
const SHOWN = 2000; // characters of what others send
const STROKES = 2000; // on the board
const POINTS = 100; // of one stroke
const PEN = 150; // ms between two events of the pen: apps allow ten client events a second
const TYPING = 1500; // ms between two events that tell of typing
const TYPED = 4000; // ms after which somebody who said so no longer types
const STEP = .02; // of the board, for an arrow key

const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

let pusher;
let room; // the presence channel, once signed in
let me; // the name, once given
let fault = ""; // why the connection ended

// The connection.

function start() {
  const { hostname, port, protocol } = location;
  const params = { name: me };
  pusher = new Pusher(APP.key, {
    cluster: "none", // pusher-js asks for one; the host says where
    wsHost: hostname,
    wsPort: port || 80,
    wssPort: port || 443,
    forceTLS: protocol === "https:",
    enabledTransports: ["ws", "wss"],
    channelAuthorization: { endpoint: "/demo/pusher/auth", transport: "ajax", params },
    userAuthentication: { endpoint: "/demo/pusher/user-auth", transport: "ajax", params },
  });
  pusher.connection.bind("state_change", showState);
  pusher.connection.bind("message", arrived);
  pusher.connection.bind("error", ({ data, error }) => {
    fault = data?.message ?? error?.data?.message ?? "";
    showState();
  });
  pusher.subscribe("demo");
  if (me) {
    pusher.user.bind("pusher:signin_error", ({ error }) => complain(`Not signed in: ${error}`));
    pusher.signin();
    enterRoom();
  }
  showState();
}

function showState() {
  const { state, socket_id: socket } = pusher.connection;
  const connected = state === "connected";
  if (connected) fault = "";
  $("state").dataset.state = { disconnected: "refused", failed: "refused" }[state] ?? state;
  const words = {
    initialized: "Connecting", connecting: "Connecting", connected: "Connected", disconnected: "Disconnected",
    unavailable: "No connection: trying again", failed: "This browser has no WebSocket",
  }[state];
  tell($("words"), fault && !connected ? `${words} (${fault})` : words);
  $("toggle").textContent = state === "disconnected" ? "Connect" : "Disconnect";
  $("socket").textContent = connected ? socket : "–";
  if (!connected) $("user").textContent = "no";
  if (room) showMembers();
}

$("toggle").onclick = () => {
  fault = "";
  if (pusher.connection.state === "disconnected") pusher.connect();
  else pusher.disconnect();
};

// Signing in, and out: a connection is signed in for as long as it lasts.

function complain(wrong) {
  $("wrong").textContent = wrong;
  $("name").setAttribute("aria-invalid", wrong !== "");
}

$("enter").onsubmit = (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  complain(NAME.test(name) ? "" : "A name has 1 to 32 letters from A to Z, digits, _ and -.");
  if ($("wrong").textContent) return $("name").focus();
  restart(name);
  $("text").focus();
};

$("sign-out").onclick = () => {
  restart();
  $("name").focus();
};

function restart(name) {
  me = name;
  room = undefined;
  pusher?.disconnect();
  pusher?.unbind_all();
  pusher?.connection.unbind();
  for (const list of ["members", "talk"]) $(list).replaceChildren();
  clear();
  try {
    if (name) sessionStorage.setItem("stentor-pusher", name);
    else sessionStorage.removeItem("stentor-pusher");
  } catch {}
  for (const [id, hidden] of [["enter", name], ["outside", name], ["sign-out", !name], ["inside", !name]]) $(id).hidden = hidden;
  $("to-user").disabled = !name;
  $("to-user").textContent = name ? `the user ${name}` : "one user: sign in";
  if (!name && $("to").value === "user") $("to").value = "demo";
  showCode();
  start();
}

// The presence channel.

function enterRoom() {
  room = pusher.subscribe(ROOM);
  for (const event of ["pusher:subscription_succeeded", "pusher:member_added"]) room.bind(event, showMembers);
  room.bind("pusher:member_removed", ({ id }) => {
    pens.get(id)?.remove();
    pens.delete(id);
    stopsTyping(id);
    showMembers();
  });
  room.bind("pusher:subscription_error", ({ error, status }) => say("", `Not in the channel: ${error ?? ""} ${status ?? ""}`));
  // Who sent it is told by the gateway, and nothing that the sender writes.
  room.bind("client-said", (data, { user_id: user }) => {
    stopsTyping(user);
    if (typeof data?.text === "string") say(user, data.text);
  });
  room.bind("client-typing", (_, { user_id: user }) => types(user));
  room.bind("client-pen", (data, { user_id: user }) => drawn(user, data));
  room.bind("client-clear", clear);
}

function showMembers() {
  const present = room.subscribed && pusher.connection.state === "connected";
  const names = [];
  if (present) room.members.each(({ id }) => names.push(id));
  $("count").textContent = present ? `${names.length} here` : "Who is here";
  $("members").replaceChildren(...names.map((name) => hue(element("li", name === me ? `${name} (you)` : name), name)));
}

function say(user, text) {
  const p = element("p");
  if (user) p.append(hue(element("bdi", user), user));
  p.append(element("span", text.slice(0, SHOWN), user ? "" : "wrong"));
  $("talk").append(p);
  if ($("talk").childElementCount > KEPT) $("talk").firstElementChild.remove();
  $("talk").scrollTop = $("talk").scrollHeight;
}

$("say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  // A client event does not come back to its sender.
  if (room.subscribed && room.trigger("client-said", { text })) {
    say(me, text);
    $("text").value = "";
    told = 0;
  } else {
    say("", "Not sent: there is no connection.");
  }
};

// Who is typing.

const typists = new Map(); // timers by user
let told = 0; // when the others were told that I type

$("text").oninput = () => {
  if (!room.subscribed || Date.now() - told < TYPING) return;
  told = Date.now();
  room.trigger("client-typing", {});
};

function types(user) {
  clearTimeout(typists.get(user));
  typists.set(user, setTimeout(stopsTyping, TYPED, user));
  showTyping();
}

function stopsTyping(user) {
  clearTimeout(typists.get(user));
  typists.delete(user);
  showTyping();
}

function showTyping() {
  const names = [...typists.keys()];
  tell($("typing"), names.length === 0 ? "" : names.length === 1 ? `${names[0]} is typing` : `${names.join(", ")} are typing`);
}

// The board: a stroke is a user and points, each from 0 to 1. Points are collected
// and sent some times a second, as every app has a limit for client events.

let strokes = [];
let mine = []; // points since the last event
let at; // my pen
let down = false;
let moved = false;
let timer;
const pens = new Map(); // of the others

function move(point, draws) {
  if (draws) {
    if (mine.length === 0) mine.push(at);
    mine.push(point);
    add(me, [at, point]);
  }
  at = point;
  moved = true;
  timer ??= setTimeout(sendPen, PEN);
}

function sendPen() {
  timer = undefined;
  if (moved && room?.subscribed) room.trigger("client-pen", { at, line: mine.slice(-POINTS) });
  mine = [];
  moved = false;
}

function isPoint(p) {
  return Array.isArray(p) && p.length === 2 && p.every((n) => typeof n === "number" && n >= 0 && n <= 1);
}

// drawn shows what another has drawn: it may be of any shape.
function drawn(user, data) {
  if (!isPoint(data?.at)) return;
  if (!pens.has(user)) {
    pens.set(user, hue(element("span", user, "pen"), user));
    $("board").append(pens.get(user));
  }
  place(pens.get(user), data.at);
  if (Array.isArray(data.line) && data.line.length > 1 && data.line.length <= POINTS && data.line.every(isPoint)) add(user, data.line);
}

function place(pen, [x, y]) {
  pen.style.left = `${x * 100}%`;
  pen.style.top = `${y * 100}%`;
  pen.classList.toggle("left", x > .5); // so that the board has room for the name
  pen.classList.toggle("up", y > .5);
}

function add(user, points) {
  strokes.push({ user, points });
  if (strokes.length > STROKES) strokes = strokes.slice(STROKES / 2);
  draw(strokes.at(-1));
}

function draw({ user, points }) {
  const { width, height } = $("canvas");
  const context = $("canvas").getContext("2d");
  context.strokeStyle = `oklch(${dark.matches ? ".82 .1" : ".48 .13"} ${number(user)})`;
  context.lineWidth = 3 * devicePixelRatio;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x * width, y * height);
  context.stroke();
}

// redraw fits the canvas to its place, which empties it.
function redraw() {
  const { width, height } = $("board").getBoundingClientRect();
  Object.assign($("canvas"), { width: width * devicePixelRatio, height: height * devicePixelRatio });
  strokes.forEach(draw);
}

function clear() {
  strokes = [];
  mine = [];
  for (const pen of pens.values()) pen.remove();
  pens.clear();
  redraw();
}

$("clear").onclick = () => {
  clear();
  if (room.subscribed) room.trigger("client-clear", {});
};

function point({ clientX, clientY }) {
  const { left, top, width, height } = $("canvas").getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height].map(inside);
}

function inside(n) {
  return Math.round(Math.min(1, Math.max(0, n)) * 1000) / 1000;
}

$("board").onpointerdown = (event) => {
  down = true;
  at = point(event);
  $("board").setPointerCapture(event.pointerId);
};
$("board").onpointermove = (event) => move(point(event), down);
$("board").onpointerup = $("board").onpointercancel = () => { down = false; };

$("board").onkeydown = (event) => {
  const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
  if (x === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  at ??= [.5, .5];
  move([inside(at[0] + x * STEP), inside(at[1] + y * STEP)], event.shiftKey);
};

new ResizeObserver(redraw).observe($("board"));
dark.onchange = redraw;

// What backends push: a command in the language of choice, which signs its
// request as the SDKs do. The path is signed as it is, the body by its MD5.

const commands = {
  curl: (url, path, channel) => `body='${JSON.stringify({ name: "greeting", channel, data: '{"text":"hello from curl"}' })}'
query="auth_key=${APP.key}&auth_timestamp=$(date +%s)&auth_version=1.0"
query="$query&body_md5=$(printf %s "$body" | openssl dgst -md5 | sed 's/.* //')"
signature=$(printf 'POST\\n${path}\\n%s' "$query" \\
  | openssl dgst -sha256 -hmac ${APP.secret} | sed 's/.* //')
curl "${url}${path}?$query&auth_signature=$signature" \\
  -H 'Content-Type: application/json' -d "$body"`,

  PHP: (url, path, channel) => `php -r '
$body = json_encode(["name" => "greeting", "channel" => "${channel}",
  "data" => json_encode(["text" => "hello from PHP"])]);
$query = "auth_key=${APP.key}&auth_timestamp=" . time() . "&auth_version=1.0"
  . "&body_md5=" . md5($body);
$signature = hash_hmac("sha256", "POST\\n${path}\\n$query", "${APP.secret}");
echo file_get_contents("${url}${path}?$query&auth_signature=$signature",
  false, stream_context_create(["http" => ["method" => "POST", "content" => $body,
  "header" => "Content-Type: application/json", "ignore_errors" => true]]));'`,

  Node: (url, path, channel) => `node -e '
const { createHash, createHmac } = require("crypto");
const data = JSON.stringify({ text: "hello from Node" });
const body = JSON.stringify({ name: "greeting", channel: "${channel}", data });
const query = "auth_key=${APP.key}&auth_timestamp=" + Math.floor(Date.now() / 1000)
  + "&auth_version=1.0&body_md5=" + createHash("md5").update(body).digest("hex");
const signature = createHmac("sha256", "${APP.secret}")
  .update("POST\\n${path}\\n" + query).digest("hex");
fetch("${url}${path}?" + query + "&auth_signature=" + signature,
  { method: "POST", headers: { "Content-Type": "application/json" }, body })
  .then(async (answer) => console.log(await answer.text()));'`,
};

function showCode() {
  const language = document.querySelector("#languages [aria-pressed=true]").textContent;
  const channel = $("to").value === "user" ? `#server-to-user-${me}` : $("to").value;
  $("code").textContent = commands[language](location.origin, `/apps/${APP.id}/events`, channel);
}

for (const button of document.querySelectorAll("#languages button")) {
  button.onclick = () => {
    for (const each of document.querySelectorAll("#languages button")) each.ariaPressed = each === button;
    showCode();
  };
}

$("to").onchange = showCode;
$("copy").onclick = () => copy($("code"), $("copied"));

// What arrives. It may be hostile, and of any shape: it becomes text, never markup.

function arrived({ event, channel = "", data, user_id: user }) {
  if (event === "pusher:signin_success") $("user").textContent = JSON.parse(data.user_data).id;
  if (event === "pusher:pong" || event === "pusher:ping" || event === "client-pen") return;
  const now = new Date();
  const text = data === undefined ? "" : typeof data === "string" ? data : JSON.stringify(data);
  const line = element("li");
  line.append(Object.assign(element("time", now.toTimeString().slice(0, 8)), { dateTime: now.toISOString() }),
    element("b", event), element("bdi", channel, "told"), element("span", text.length > SHOWN ? `${text.slice(0, SHOWN)} …` : text));
  if (user) line.append(element("bdi", `from ${user}`, "told"));
  $("empty").hidden = true;
  $("lines").prepend(line);
  if ($("lines").childElementCount > KEPT) $("lines").lastElementChild.remove();
}

function element(name, text = "", className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

function number(name) {
  return [...name].reduce((sum, c) => (sum * 31 + c.codePointAt()) % 360, 0);
}

// hue gives an element the colour of a user.
function hue(element, name) {
  element.style.setProperty("--hue", number(name));
  return element;
}

// tell shows words unless they are there, as they would be read out again.
function tell(where, words) {
  if (where.textContent !== words) where.textContent = words;
}

const here = await fetch("/assets/here.json").then((response) => response.json()).catch(() => ({ development: true })); // the connection will tell
$("elsewhere").hidden = here.development;
if (here.development) {
  for (const id of ["connection", "together", "push", "events"]) $(id).hidden = false;
  let before;
  try {
    before = sessionStorage.getItem("stentor-pusher");
  } catch {}
  restart(NAME.test(before ?? "") ? before : undefined);
}
