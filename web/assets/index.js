// The first page: what runs here, where it can be reached, and what arrives on
// a channel, by nothing but a WebSocket.

import { copy } from "/assets/copy.js";

const KEPT = 200; // lines in the box
const SHOWN = 2000; // characters of a text payload
const HEX = 16; // bytes of a binary payload
const FIRST_WAIT = 1000; // ms, doubled by each failure
const LONGEST_WAIT = 30000;
const PATIENCE = 10000; // ms, for an answer
const STABLE = 5000; // ms, after which a connection counts as a success
const REFUSALS = [4001, 4003, 4401, 4403]; // to come back would not help
const CHANNEL = /^(?!\.{1,2}$)[\w=@,.;-]{1,164}$/; // names that there may be; a shell takes them for nothing else

const $ = (id) => document.getElementById(id);
const http = location.origin;
const ws = http.replace("http", "ws");

let channel = new URLSearchParams(location.search).get("channel") || "demo";
let here; // what the server tells about itself; asked again after a loss
let socket;
let turn = 0; // counts attempts to connect; an older one has no say
let failures = 0;
let timer;

// What runs here.

async function askHere() {
  const response = await fetch("/assets/here.json", { signal: AbortSignal.timeout(PATIENCE) });
  return response.json();
}

function showHere() {
  $("version").textContent = here.version;
  $("mode").hidden = !here.development;
  $("secret").hidden = here.development;
  const open = here.anonymous && here.allowed;
  for (const id of ["listen", "log"]) $(id).hidden = !open;
  for (const id of ["say", "talk"]) $(id).hidden = !here.development;
  $("listeners").hidden = here.development || !open;
  showAddresses();
}

function showAddresses() {
  const query = [here.apps > 1 && "app=KEY", !here.anonymous && "token=JWT"].filter(Boolean).join("&");
  const q = query && "?" + query;
  const list = [
    [`${ws}/ws${q}`, "Channels, presence and publishing, as JSON messages."],
    [`${ws}/raw/{channel}${q}`, "The payloads of one channel, and nothing else."],
    [`${ws}/app/{key}`, "The Pusher protocol, for pusher-js and Laravel Echo."],
    here.echo && [`${ws}/echo`, "Sends every message back."],
    [`${http}/api/publish`, "POST, for backends."],
    [`${http}/apps/{id}/events`, "POST, signed, for the Pusher protocol's server libraries."],
  ].filter(Boolean);
  $("list").replaceChildren(...list.flatMap(([address, use]) => {
    const dt = element("dt");
    dt.append(element("code", address));
    return [dt, element("dd", use)];
  }));
}

// showCurl shows a command for the shell. The channel may come from a link that
// somebody else has written.
function showCurl() {
  const to = CHANNEL.test(channel) ? channel : "demo";
  const auth = here.development ? `'Authorization: Bearer ${here.secret}'` : `"Authorization: Bearer $STENTOR_SECRET"`;
  const body = JSON.stringify({ to: { channels: [to] }, data: "hello" });
  $("curl").textContent = `curl '${http}/api/publish' \\\n  -H ${auth} \\\n  -d '${body}'`;
}

$("copy").onclick = () => copy($("curl"), $("copied"));

// The connection.

async function connect() {
  const mine = hangUp();
  show("connecting", "Connecting");
  if (!here) {
    try {
      const answer = await askHere();
      if (mine !== turn) return;
      here = answer;
      showHere();
    } catch {
      if (mine === turn) comeBack("No connection");
      return;
    }
  }
  showCurl();
  if (!here.allowed) {
    show("refused", "This page cannot listen here: the app's allowed_origins do not have this page's address.");
  } else if (here.anonymous && !CHANNEL.test(channel)) {
    show("refused", "This is no name of a channel: use up to 164 letters, digits and _ - = @ , . ; but not . or .. alone.");
  } else if (here.anonymous) {
    listen(mine);
  } else if (here.apps > 1) {
    show("refused", "This page cannot listen here: there are several apps. A client says which with ?app=KEY, and who it is with &token=JWT.");
  } else {
    show("refused", "This page cannot listen here: the app wants a token, which your backend signs with the app's secret. A client connects with ?token=JWT.");
  }
}

function listen(mine) {
  let since = 0;
  socket = new WebSocket(`${ws}/raw/${encodeURIComponent(channel)}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    if (mine !== turn) return;
    since = performance.now();
    show("connected", `Connected to ${channel}`);
  };
  socket.onmessage = ({ data }) => {
    if (mine === turn) arrived(data);
  };
  socket.onclose = ({ code, reason }) => {
    if (mine !== turn) return;
    if (REFUSALS.includes(code)) {
      show("refused", `Refused: ${reason || code}`, true);
      return;
    }
    if (since && performance.now() - since > STABLE) failures = 0;
    comeBack(since ? "Lost" : "No connection", reason);
  };
}

// hangUp ends what is under way and returns the number of the next attempt.
function hangUp() {
  clearTimeout(timer);
  socket?.close();
  socket = undefined;
  return ++turn;
}

// comeBack connects after a time that is random up to a bound that grows, so
// that the many who lost one server do not come back as one.
function comeBack(what, reason) {
  here = undefined;
  const due = performance.now() + Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures++);
  show("lost", reason ? `${what} (${reason})` : what, true);
  const tick = () => {
    const left = due - performance.now();
    if (left <= 0) return connect();
    $("countdown").textContent = `: again in ${Math.ceil(left / 1000)} s`;
    timer = setTimeout(tick, left % 1000 || 1000);
  };
  tick();
}

function show(state, words, mayConnect = false) {
  $("state").dataset.state = state;
  $("words").textContent = words;
  $("countdown").textContent = "";
  $("now").hidden = !mayConnect;
  $("send").disabled = state !== "connected";
  $("see").hidden = state === "refused";
}

$("now").onclick = connect;
addEventListener("online", () => {
  if ($("state").dataset.state === "lost") connect();
});

$("listen").onsubmit = (event) => {
  event.preventDefault();
  channel = $("channel").value.trim();
  history.replaceState(null, "", "?" + new URLSearchParams({ channel }));
  $("lines").replaceChildren();
  $("empty").hidden = false;
  failures = 0;
  connect();
};

$("say").onsubmit = (event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send($("text").value);
  $("text").value = "";
};

// What arrives. It may be hostile: it becomes text, never markup.

function arrived(data) {
  const now = new Date();
  const time = element("time", clock(now));
  time.dateTime = now.toISOString();
  const line = element("li");
  line.append(time, payload(data));
  $("empty").hidden = true;
  $("lines").prepend(line);
  if ($("lines").childElementCount > KEPT) $("lines").lastElementChild.remove();
}

function clock(date) {
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function payload(data) {
  if (data instanceof ArrayBuffer) {
    const start = [...new Uint8Array(data, 0, Math.min(HEX, data.byteLength))];
    const hex = start.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const more = data.byteLength > HEX ? " …" : "";
    return element("span", `binary, ${count(data.byteLength, "byte")}${hex && ": "}${hex}${more}`, "told");
  }
  if (data === "") return element("span", "empty", "told");
  const more = data.length > SHOWN ? ` … (${count(data.length, "character")})` : "";
  const text = element("span", data.slice(0, SHOWN) + more);
  text.dir = "auto";
  return text;
}

function count(n, what) {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}

function element(name, text = "", className = "") {
  const e = document.createElement(name);
  e.textContent = text;
  e.className = className;
  return e;
}

$("channel").value = channel;
connect();
