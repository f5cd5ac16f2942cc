// How the types are used; it is compiled, never run.

import { Stentor, StentorError, type Member, type Message, type Options, type State, type Subscription, type Why } from "stentor-client";

const options: Options = { app: "shop", token: async () => "a.b.c", maxQueue: 10, heartbeat: 5000 };
const stentor = new Stentor("wss://push.example.com/ws", options);
new Stentor();
new Stentor(new URL("wss://push.example.com"));

const off: () => void = stentor.on("state", (state: State, why: Why) => {
  if (state === "waiting") console.log(new Date(why.retryAt ?? 0), why.code, why.reason);
});
off();
stentor.on("subscription", (given) => given.channel.toUpperCase());
stentor.on("error", (error) => error.code.length);

const room: Subscription = stentor.subscribe("presence-room");
room.on("message", (m: Message) => m.user?.length);
room.on("event:said", (data, m) => `${data.text} by ${m.user}`);
room.on("members", (members: Member[]) => members.map(({ user }) => user));

async function use(): Promise<number> {
  await room.ready;
  await room.unsubscribe();
  await stentor.publish("news", "bytes", new Uint8Array(3));
  await stentor.publish({ all: true });
  const members: Member[] = await stentor.presence("presence-room");
  try {
    return await stentor.publish({ user: members[0].user }, "said", { text: "hi" }, { echo: false });
  } catch (error) {
    return error instanceof StentorError && error.code === "lost" ? 1 : 0;
  }
}
use();

// @ts-expect-error
new Stentor("/ws", { tokken: "x" });
// @ts-expect-error
stentor.on("stat", () => {});
// @ts-expect-error
stentor.publish({ room: "news" });
// @ts-expect-error
stentor.publish({ channel: "news", user: "ann" });
// @ts-expect-error
stentor.state = "connected";
// @ts-expect-error
room.on("join", (member: string) => member);
