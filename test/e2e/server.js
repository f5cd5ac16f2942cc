// Runs the real server for a test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// DEADLINE bounds each wait for something that has to happen, in ms. It is
// generous: a test fails by it, it never passes by it.
export const DEADLINE = 30_000;

// within fails if a promise takes too long.
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), DEADLINE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// serve starts `stentor serve` on free ports of the loopback interface and
// waits for its ready line. When the test is over the server gets a SIGTERM,
// and has to stop with exit code 0. config is the text of a configuration file.
export async function serve(t, { config = "", flags = [] } = {}) {
  const server = new Server();
  t.after(() => server.stop());
  await server.start(config, flags);
  return server;
}

class Server {
  #child;
  #exit;
  #log = "";
  #folder;
  #asked; // to stop
  #before = [];

  // start may be called again when the server has gone; it gets the same
  // public port then.
  async start(config = "", flags = []) {
    const binary = process.env.E2E_STENTOR;
    assert.ok(binary, "E2E_STENTOR must name the stentor binary: run scripts/e2e.sh");
    const args = ["serve", "--listen", this.host ?? "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain-window", "0s", ...flags];
    if (config) args.push("--config", this.#write(config));
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("STENTOR_")));
    this.#child = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#exit = once(this.#child, "exit");
    this.#asked = false;
    this.#child.stderr.on("data", (chunk) => { this.#log += chunk; });
    const ready = new Promise((resolve, reject) => {
      let out = "";
      this.#child.stdout.on("data", (chunk) => {
        out += chunk;
        const found = out.match(/^stentor: ready, listening on (\S+), admin (\S+)$/m);
        if (found) resolve(found);
      });
      this.#exit.then(([code]) => reject(new Error(`the server ended with code ${code}:\n${this.#log}`)), reject);
    });
    const [, host, admin] = await within(ready, "the ready line");
    this.host = host;
    this.http = `http://${host}`;
    this.ws = `ws://${host}`;
    this.admin = `http://${admin}`;
  }

  #write(config) {
    this.#folder ??= mkdtempSync(join(tmpdir(), "stentor-e2e-"));
    const file = join(this.#folder, "config.yaml");
    writeFileSync(file, config);
    return file;
  }

  // terminate asks the server to stop, once: a second signal would end it at
  // once.
  terminate() {
    if (!this.#asked) this.#child.kill("SIGTERM");
    this.#asked = true;
  }

  // beforeStop has something done before the server stops at the test's end.
  beforeStop(f) { this.#before.push(f); }

  // stop waits for a clean end. A server that was killed has had its end.
  async stop() {
    try {
      for (const f of this.#before) await f();
      if (!this.#child || this.#child.signalCode === "SIGKILL") return;
      this.terminate();
      const [code, signal] = await within(this.#exit, "the server to stop");
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, `the server did not stop cleanly:\n${this.#log}`);
    } catch (error) {
      this.#child.kill("SIGKILL");
      throw error;
    } finally {
      if (this.#folder) rmSync(this.#folder, { recursive: true });
    }
  }

  // kill ends the server as a crash would.
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  // post sends JSON to the HTTP API and returns the status and the answer.
  async post(path, body, secret = "dev-secret") {
    const response = await fetch(this.http + path, {
      method: "POST",
      headers: { Authorization: `Bearer ${secret}` },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  // publish publishes to a channel and returns how many clients it was for.
  async publish(channel, data, more = {}) {
    const { status, body } = await this.post("/api/publish", { to: { channels: [channel] }, data, ...more });
    assert.equal(status, 200, JSON.stringify(body));
    return body.matched;
  }
}
