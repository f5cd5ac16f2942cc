// A chat: rooms, who is in them, messages to a room, to one user and to all.
// docs/tutorial-chat.md walks through it.

import { Stentor } from "/stentor.js";

const LONGEST = 500; // characters of a message
const NEAR = 450; // from here on the length is shown
const KEPT = 500; // lines of a room
const SHOWN = 2000; // characters of what others publish
const REMEMBERED = 5000; // ids of messages
const ID = 64; // characters of one that counts
const AGAIN = 5000; // ms, in which the others come back after a loss, too
const ROOM = /^[\w=@,.;-]{1,155}$/; // what may follow "presence-" in a channel's name
const FAILURES = { // by code, where the library's words are for programmers
  lost: "perhaps not sent: the connection was lost",
  queue_full: "not sent: too much waits for the connection already",
};

const $ = (id) => document.getElementById(id);
const bdi = (text) => element("bdi", text); // a name, which may be written from right to left

let client;
let me; // my user id
let room; // the one in view
let met = false; // the server has been reached
let away = false; // and was lost
let named; // the name that the text begins with
let turned = false; // whom the text is for has changed without a key being pressed
let timer;
const rooms = new Map(); // by name
const outbox = new Map(); // by id: lines that have not come back yet
const seen = new Set(); // what has been shown

// Entering and leaving.

function enter(name, names, first) {
  me = name;
  met = away = false;
  $("to").value = "room";
  client = new Stentor("/ws", { user: me });
  client.on("state", showState);
  client.on("message", (message) => arrived(room, message));
  for (const each of names) join(each);
  $("enter").hidden = true;
  for (const id of ["chat", "state"]) $(id).hidden = false;
  view(rooms.get(first));
  showState();
}

function leave() {
  room.subscription.unsubscribe();
  for (const part of [room.item, room.log]) part.remove();
  rooms.delete(room.name);
  const [next] = rooms.values();
  if (next) return view(next);
  outbox.clear();
  $("outbox").replaceChildren();
  client.close();
  keep();
  showUnread();
  for (const id of ["chat", "state"]) $(id).hidden = true;
  $("enter").hidden = false;
  $("name").focus();
}

function wrongName(name) {
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(name)) return "Write a nickname.";
  if (/\p{Cc}/u.test(name)) return "A nickname has no control characters.";
  if (new TextEncoder().encode(name).length > 128) return "This nickname is too long.";
  if (/^(\.|\.\.|all|server)$/i.test(name)) return `“${name}” means something else here: choose another nickname.`;
  return "";
}

function wrongRoom(name) {
  return ROOM.test(name) ? "" : "A room's name has 1 to 155 of these: A to Z, a to z, 0 to 9 and _ - = @ , . ;";
}

// complain shows what is wrong with an input, and tells whether something is.
function complain(input, where, wrong) {
  where.textContent = wrong;
  input.setAttribute("aria-invalid", wrong !== "");
  if (wrong) input.focus();
  return wrong !== "";
}

$("enter").onsubmit = (event) => {
  event.preventDefault();
  const [name, first] = [$("name").value.trim(), $("first").value.trim()];
  if (complain($("name"), $("wrong"), wrongName(name)) || complain($("first"), $("wrong"), wrongRoom(first))) return;
  enter(name, [first], first);
  $("text").focus();
};

$("leave").onclick = leave;
$("again").onclick = () => ask(room);

// A reload finds name and rooms again, if the browser keeps anything.

function keep() {
  history.replaceState(null, "", "?" + new URLSearchParams({ room: room.name }));
  const state = rooms.size > 0 ? { name: me, names: [...rooms.keys()] } : null;
  try {
    sessionStorage.setItem("stentor-chat", JSON.stringify(state));
  } catch {}
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem("stentor-chat"));
  } catch {}
}

// Rooms: each is a presence channel.

function join(name) {
  if (rooms.has(name)) return ask(rooms.get(name));
  const joined = { name, out: "", gone: new Set(), unread: 0, log: element("div"), item: element("li"), news: element("span", "", "news") };
  ask(joined);
  const button = element("button");
  button.append(bdi(name), joined.news);
  button.onclick = () => view(joined);
  joined.item.append(button);
  Object.assign(joined.log, { role: "log", ariaLabel: `Messages in ${name}` });
  rooms.set(name, joined);
  $("rooms").append(joined.item);
  $("logs").append(joined.log);
}

// ask asks the server for a room, and once more for one that I am not in.
function ask(joined) {
  const subscription = client.subscribe(`presence-${joined.name}`);
  if (subscription === joined.subscription) return;
  joined.subscription = subscription;
  subscription.on("message", (message) => arrived(joined, message));
  subscription.on("join", ({ user }) => joined.gone.delete(user) || note(joined, bdi(user), " has come"));
  subscription.on("leave", ({ user }) => {
    joined.gone.add(user); // perhaps lost as I was, and back in a moment, as I am
    setTimeout(() => joined.gone.delete(user) && note(joined, bdi(user), " has left"), Date.now() - joined.back < AGAIN ? AGAIN : 0);
  });
  subscription.on("members", showMembers);
  subscription.on("state", (state) => {
    if (state === "subscribed") joined.back = joined.back === undefined ? 0 : Date.now();
    joined.out = { subscribed: "", pending: joined.out && "asking again", ended: "the server has ended it" }[state];
    showMembers();
  });
  subscription.on("error", (error) => {
    joined.out = error.message;
    showMembers();
  });
}

function view(next) {
  room = next;
  for (const each of rooms.values()) {
    each.log.hidden = each !== room;
    each.item.firstChild.setAttribute("aria-current", each === room);
  }
  for (const id of ["room", "to-room"]) $(id).textContent = room.name;
  room.item.scrollIntoView({ block: "nearest", inline: "nearest" });
  $("box").scrollTop = 0;
  showMembers();
  read();
  keep();
}

$("join").onsubmit = (event) => {
  event.preventDefault();
  const name = $("another").value.trim();
  if (complain($("another"), $("unjoined"), wrongRoom(name))) return;
  join(name);
  view(rooms.get(name));
  $("another").value = "";
};

// read counts what is in view as read.
function read() {
  if (room && !document.hidden) room.unread = 0;
  showUnread();
}

function showUnread() {
  let sum = 0;
  for (const { unread, news } of rooms.values()) {
    news.textContent = unread ? `${unread} new` : "";
    sum += unread;
  }
  document.title = rooms.size ? `${sum ? `(${sum}) ` : ""}${room.name} – Chat` : "Chat";
}

document.addEventListener("visibilitychange", read);

// Who is here.

function others() {
  return room.out ? [] : room.subscription.members.map(({ user }) => user).filter((user) => user !== me);
}

function showMembers() {
  const { out, subscription: { state, members } } = room;
  const names = others();
  const all = out || !members.length ? [] : [me, ...names];
  $("count").textContent = out || state === "subscribed" ? `${all.length} here` : all.length ? `${all.length} were here` : "Who is here";
  tell($("why"), "You are not in this room: ", bdi(out));
  for (const id of ["to", "text", "send"]) $(id).disabled = out !== "";
  if (!out && document.activeElement === $("again")) $("text").focus();
  $("out").hidden = !out;
  match($("members"), all, (name) => {
    const who = element(name === me ? "span" : "button");
    who.append(bdi(name), name === me ? " (you)" : "");
    if (name !== me) who.onclick = () => writeTo(name);
    const item = element("li");
    item.append(who);
    return item;
  });
  // Whoever is chosen stays chosen, or what is meant for one would go to all.
  const chosen = $("to").value.replace(/^user /, "");
  const kept = $("to").value.startsWith("user ") && !names.includes(chosen) ? [chosen] : [];
  match($("users"), [...names, ...kept], (name) => new Option(name, `user ${name}`));
  measure(true);
}

function writeTo(name) {
  $("to").value = `user ${name}`;
  measure();
  $("text").focus();
}

// match makes the children of a list those with these names, and touches no
// other: one may have the focus.
function match(list, names, make) {
  const there = new Map([...list.children].map((child) => [child.dataset.name, child]));
  for (const [name, child] of there) if (!names.includes(name)) child.remove();
  for (const name of names) {
    if (there.has(name)) continue;
    const child = make(name);
    child.dataset.name = name;
    list.append(child);
  }
}

// Writing.

// addressed reads whom the text is for: what "To" says or, if that is the room,
// the name that the text begins with, as in "bob: hello" and "all: hello". Who has
// been named stays named when he goes, or what is meant for one would go to all.
function addressed() {
  const text = $("text").value.trim();
  const to = $("to").value;
  if (to === "all") return { all: true, text };
  if (to !== "room") return { user: to.slice("user ".length), text };
  const names = ["all", ...others()];
  const head = (name) => text.slice(0, name.length + 1);
  const like = (name) => head(name).toLowerCase() === `${name}:`.toLowerCase(); // phones write "Bob"
  if (named === undefined || !like(named)) named = names.find((name) => head(name) === `${name}:`) ?? names.find(like);
  if (named === undefined) return { text };
  const rest = text.slice(named.length + 1).trim();
  return named === "all" ? { all: true, text: rest } : { user: named, text: rest };
}

// measure shows how long the text is and whom it is for, and tells if that is new.
function measure(byItself = false) {
  const { all, user, text } = addressed();
  const length = [...text].length;
  $("length").textContent = length > NEAR ? `${length} of ${LONGEST} characters.` : "";
  const changed = tell($("whom"), ...all ? ["Everyone, in all rooms, will get this."] : user ? ["Only ", bdi(user), " will get this."] : []);
  if (changed) turned = byItself;
  if (!byItself && length <= LONGEST) complain($("text"), $("unsent"), "");
  return changed;
}

for (const id of ["text", "to"]) $(id).oninput = () => measure();

$("say").onkeydown = (event) => {
  if (event.key !== "Escape" || event.isComposing || event.target !== $("text")) return;
  $("to").value = "room";
  measure();
};

$("send").onmousedown = (event) => event.preventDefault(); // the text keeps the focus, a phone its keyboard

$("say").onsubmit = (event) => {
  event.preventDefault();
  const changed = measure() || turned;
  turned = false;
  const { all, user, text } = addressed();
  const over = [...text].length - LONGEST;
  const wrong = changed ? "Not sent: who will get this has just changed. Send it again if it is right now." :
    over > 0 ? `Not sent: ${over} too many characters.` : "";
  if (complain($("text"), $("unsent"), wrong) || !text) return;
  const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
  if (all) send({ event: "announcement", data: { text, id }, targets: [{ all }], to: "to everyone" });
  else if (user) send({ event: "private", data: { to: user, text, id }, targets: [{ user }, { user: me }], to: `to ${user}` });
  else send({ event: "said", data: { text, id }, targets: [{ channel: room.subscription.channel }], to: `in ${room.name}` });
  $("text").value = "";
  measure();
};

// send publishes a message, which stays below the log until it comes back. A
// private one goes to its user, and then to my own pages.
async function send(message) {
  const { event, data, targets, to } = message;
  const waiting = line(me, to, data.text);
  const how = element("span", client.state === "connected" ? "sending" : "waits for the connection", "told");
  waiting.append(how);
  outbox.set(data.id, waiting);
  $("outbox").append(waiting);
  $("box").scrollTop = 0;
  try {
    for (const target of targets) {
      const reached = await client.publish(target, event, data);
      if (target.user && reached === 0) return failed(message, waiting, how, "not sent: ", bdi(target.user), " is not connected");
    }
    sent(data.id);
  } catch ({ code, message: why }) {
    failed(message, waiting, how, ...FAILURES[code] ? [FAILURES[code]] : ["not sent: ", bdi(why)]);
  }
}

function failed(message, waiting, how, ...words) {
  if (outbox.get(message.data.id) !== waiting) return;
  // An id that has been shown is not shown again, so to send it again does no harm.
  how.replaceChildren(...words);
  how.role = "alert";
  waiting.classList.add("failed");
  for (const [words, then] of [["Send again", () => send(message)], ["Discard", () => {}]]) {
    const button = element("button", words);
    button.onclick = () => {
      sent(message.data.id);
      then();
      $("text").focus();
    };
    waiting.append(button);
  }
}

// sent ends the waiting of a message.
function sent(id) {
  outbox.get(id)?.remove();
  outbox.delete(id);
}

// What arrives. It may be hostile, and of any shape: it becomes text, never markup.

function arrived(where, { channel, user, event, data }) {
  if (typeof data?.id === "string" && data.id.length <= ID) {
    const key = JSON.stringify([channel, user, data.id]);
    if (seen.has(key)) return;
    seen.add(key);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    if (user === me) sent(data.id);
  }
  const to = channel ? "" : event === "announcement" ? "to everyone" : event !== "private" ? event : user === me ? `to ${textOf(data?.to)}` : "to you";
  add(where, line(user, to, textOf(data)));
  if (where !== room || document.hidden) where.unread++;
  showUnread();
}

function textOf(data) {
  if (data instanceof Uint8Array) return `binary, ${data.length} bytes`;
  const text = typeof data === "string" ? data : typeof data?.text === "string" ? data.text : String(JSON.stringify(data));
  return text.length > SHOWN ? `${text.slice(0, SHOWN)} …` : text;
}

// line shows a message. The gateway vouches for the user; what has none is from
// a backend.
function line(user, to, text) {
  const from = user === undefined ? element("span", "server", "server") : element("bdi", user, "user");
  from.style.setProperty("--hue", [...user ?? ""].reduce((sum, c) => (sum * 31 + c.codePointAt()) % 360, 0));
  const p = element("p", "", user === me ? "mine" : "");
  p.append(clock(), from, to && element("bdi", to, "to"), element("bdi", text, "text"));
  return p;
}

function note(where, ...words) {
  const p = element("p", "", "told");
  p.append(clock(), ...words);
  add(where, p);
}

function add({ log }, p) {
  log.append(p);
  if (log.childElementCount > KEPT) log.firstElementChild.remove();
}

function clock() {
  const now = new Date();
  return Object.assign(element("time", now.toTimeString().slice(0, 5)), { dateTime: now.toISOString() });
}

function element(name, text = "", className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

// tell shows words unless they are there, as they would be read out again; it says if so.
function tell(where, ...words) {
  const changed = words.map((each) => each.textContent ?? each).join("") !== where.textContent;
  if (changed) where.replaceChildren(...words);
  return changed;
}

// The connection. It comes back by itself; here it is only told about.

function showState() {
  const { state, reason, code, retryAt } = client;
  const lost = met ? "Lost" : "No connection";
  $("state").dataset.state = { waiting: "lost", closed: "refused" }[state] ?? state;
  tell($("words"), ...{
    connecting: ["Connecting"],
    connected: client.user ? ["Connected as ", bdi(client.user)] : ["Connected without a name"],
    waiting: reason ? [lost, " (", bdi(reason), ")"] : [lost],
    closed: ["Refused: ", bdi(reason || code)],
  }[state]);
  $("elsewhere").hidden = state === "connected" ? client.user === me : ![4001, 4401].includes(code); // no such app; no token
  $("now").hidden = state === "connecting" || state === "connected";
  $("text").placeholder = state === "waiting" ? "Will be sent later" : "";
  const tick = () => {
    const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)); // not a number if nothing is due
    $("countdown").textContent = left >= 0 ? `: again in ${left} s` : "";
  };
  clearInterval(timer);
  if (state === "waiting") timer = setInterval(tick, 1000);
  tick();
  if (state === "connected" && away) {
    for (const each of rooms.values()) note(each, "You were away: what was said meanwhile is missing here.");
  }
  met ||= state === "connected";
  away = met && state !== "connected";
}

$("now").onclick = () => client.connect();

// The keyboard of a phone covers a part of the window: only the rest is used.
function fit() {
  const { height, scale } = visualViewport;
  document.documentElement.style.setProperty("--height", `${height * scale}px`);
}

visualViewport.onresize = fit;
fit();
$("here").open = matchMedia("(min-width: 60rem)").matches;

const here = await fetch("/assets/here.json").then((response) => response.json()).catch(() => ({ development: true })); // the connection will tell
const asked = new URLSearchParams(location.search).get("room");
const before = kept();
if (!here.development) {
  $("elsewhere").hidden = false;
} else if (before) {
  const first = ROOM.test(asked ?? "") ? asked : before.names[0];
  enter(before.name, new Set([...before.names, first]), first);
} else {
  $("first").value = asked ?? "lobby";
  $("enter").hidden = false;
  $("name").focus();
}
