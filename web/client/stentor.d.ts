// Types of stentor.js. What each thing does is told here.

/** JSON, as publications carry it; bytes travel as base64 and arrive as Uint8Array. */
export type Data = unknown;

export interface Options {
  /** Public key of the app; may be left out where there is one. */
  app?: string | undefined;
  /**
   * JWT that your backend has signed, or a function that fetches one. A function is
   * called for each connection, so that a token that is over is replaced; one that is
   * refused twice in a row closes. If it throws, it is called again later, as after
   * any loss, unless the error has the code 4001, 4003, 4401 or 4403: that closes.
   */
  token?: string | null | undefined | (() => string | null | undefined | Promise<string | null | undefined>);
  /** Who this is. Only the development app believes it; elsewhere the token says it. */
  user?: string | undefined;
  /** How many publications are kept while there is no connection, 1 MiB in all. Default 100. */
  maxQueue?: number | undefined;
  /** Milliseconds of silence before the server is asked for a sign of life. Default 25000. */
  heartbeat?: number | undefined;
  /** Milliseconds to wait for that sign, and for a connection. Default 10000. */
  timeout?: number | undefined;
  /** Bound in milliseconds of the first random wait before coming back; each failure doubles it. Default 1000. */
  minDelay?: number | undefined;
  /** The greatest such bound, in milliseconds. Default 30000. */
  maxDelay?: number | undefined;
  /** A class to use instead of the global WebSocket, as in Node.js before 22. */
  WebSocket?: (new (url: string) => unknown) | undefined;
}

/**
 * - connecting: on the way;
 * - connected: welcomed by the server;
 * - waiting: lost, and coming back by itself at `retryAt`, or when a page that was put
 *   aside is shown again;
 * - closed: not coming back: closed by the page, refused with 4001, 4003, 4401 or 4403,
 *   or the browser forbids such a connection (`ws:` from a page of `https:`).
 */
export type State = "connecting" | "connected" | "waiting" | "closed";

/** Why a state is as it is. */
export interface Why {
  /** Status code of the close (RFC 6455, 7.4, and docs/protocol.md); 4408 if the server has fallen silent. */
  code?: number;
  /** The same in words. */
  reason?: string;
  /** When the next attempt comes, in milliseconds since 1970. */
  retryAt?: number;
}

export interface Message {
  type: "message";
  /** Absent if it was addressed to this client, its user or all. */
  channel?: string;
  /** The event's name. */
  event: string;
  data: Data;
  /** The sender, as the server knows it, if it was a client with a user. */
  user?: string;
}

/** A user in a presence channel, with what its token tells about it. */
export interface Member {
  user: string;
  info?: unknown;
}

/** Whom a publication is for: exactly one of the three; a string is a channel. */
export type Target =
  | string
  | { channel: string; user?: never; all?: never }
  | { user: string; channel?: never; all?: never }
  | { all: true; channel?: never; user?: never };

export interface PublishOptions {
  /** Whether this connection receives it too, where it is among those meant. Default true. */
  echo?: boolean;
}

/**
 * What went wrong. `code` is one of the server's (docs/protocol.md) or one of
 *
 * - closed: the connection is closed and does not come back;
 * - lost: the connection went before an answer came; it may have been done, or not;
 * - queue_full: too much waits already, for a connection or in the socket;
 * - too_large: the message is larger than the server takes;
 * - ended: the subscription is over;
 * - user_ignored: the option `user` does not count here.
 */
export class StentorError extends Error {
  readonly code: string;
  constructor(code: string, message: string);
}

/** Ends what `on` began. */
export type Off = () => void;

export interface StentorEvents {
  /** The connection's state has changed. */
  state: (state: State, why: Why) => void;
  /** A publication to this client, its user or all has come. */
  message: (message: Message) => void;
  /** The backend has subscribed this client to a channel. It ends with the connection. */
  subscription: (subscription: Subscription) => void;
  /** The server complains, of nothing that an answer waits for. */
  error: (error: StentorError) => void;
}

/**
 * A client, which connects at once and comes back by itself after each loss,
 * with its subscriptions. What was published meanwhile does not come later.
 */
export class Stentor {
  /**
   * @param url of the server; "/ws" of the page's own server if it is left out.
   * @throws TypeError for a URL or an option that makes no sense, and where there is
   * no WebSocket.
   */
  constructor(url?: string | URL, options?: Options);

  /** This connection's id, another after each loss; undefined while there is none. */
  readonly client: string | undefined;
  /** Who the server says this is. */
  readonly user: string | undefined;
  readonly state: State;
  readonly code: number | undefined;
  readonly reason: string | undefined;
  readonly retryAt: number | undefined;
  /** The largest message that the server takes, in bytes with its envelope. */
  readonly maxBytes: number;
  readonly subscriptions: Subscription[];

  /**
   * Calls a handler for each event of a type; the same handler once. Handlers may do
   * anything; what happens by that is told when all have heard of the first event.
   * @throws TypeError if there is no such event.
   */
  on<T extends keyof StentorEvents>(type: T, handler: StentorEvents[T]): Off;
  off<T extends keyof StentorEvents>(type: T, handler: StentorEvents[T]): void;

  /** Comes back from "closed", and cuts a wait short. */
  connect(): void;
  /** Ends the connection for good. Subscriptions stay for a later `connect`. */
  close(): void;

  /** Listens to a channel. The same channel is the same subscription. */
  subscribe(channel: string): Subscription;
  /** Ends a subscription, for all who hold it. */
  unsubscribe(channel: string): Promise<void>;

  /**
   * Publishes, or queues while there is no connection. Nothing is sent twice. `data` is
   * taken as it is now.
   * @returns the number of connections it is for.
   * @throws StentorError if it was refused, or nobody knows: catch it, also where you do
   * not wait for it.
   */
  publish(to: Target, event?: string, data?: Data, options?: PublishOptions): Promise<number>;
  /** Asks the server who is in a presence channel that is subscribed to. */
  presence(channel: string): Promise<Member[]>;
}

/**
 * - pending: the server has not answered yet, or there is no connection;
 * - subscribed: what is published arrives;
 * - refused: it may not; asked again by `subscribe`, and after a loss, when there may be
 *   a new token;
 * - ended: unsubscribed by the page or the backend.
 */
export type SubscriptionState = "pending" | "subscribed" | "refused" | "ended";

export interface SubscriptionEvents {
  message: (message: Message) => void;
  /** A user has come, or is there who was not before the connection was lost. */
  join: (member: Member) => void;
  /** A user has gone, or is there no more after the connection was lost. */
  leave: (member: Member) => void;
  /** The list of members is new or has changed. */
  members: (members: Member[]) => void;
  state: (state: SubscriptionState) => void;
  /** The subscription was refused. */
  error: (error: StentorError) => void;
}

/** A channel that is listened to. It outlives connections. */
export class Subscription {
  private constructor();
  readonly channel: string;
  readonly state: SubscriptionState;
  /**
   * Fulfilled when it is first in force; rejected if it is refused or ended before that,
   * or the client is closed. A refused one that is asked again has another.
   */
  readonly ready: Promise<Subscription>;
  /** Who is in a presence channel, as last heard. */
  readonly members: Member[];

  on<T extends keyof SubscriptionEvents>(type: T, handler: SubscriptionEvents[T]): Off;
  /** Publications with this name only. */
  on(type: `event:${string}`, handler: (data: any, message: Message) => void): Off;
  off<T extends keyof SubscriptionEvents>(type: T, handler: SubscriptionEvents[T]): void;
  off(type: `event:${string}`, handler: (data: any, message: Message) => void): void;

  publish(event?: string, data?: Data, options?: PublishOptions): Promise<number>;
  presence(): Promise<Member[]>;
  /** Ends it, for all who hold it; does nothing if it has ended. */
  unsubscribe(): Promise<void>;
}
