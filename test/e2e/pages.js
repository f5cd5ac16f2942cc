// Takes the code out of the documents, and runs it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { within } from "./server.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

// named is how the first line of a block says which file it is, or where in a
// file it belongs: "# stentor.yaml", "<?php // public/a.php", "# in nginx.conf".
const named = /^(?:<\?php )?(?:\/\/|#) ((?:in )?[\w/-]+\.[a-z]+)$/;

// Page is a document with its blocks of code: those in fences, which say their
// language, and indented ones.
export class Page {
  #blocks = [];

  constructor(path) {
    this.path = path;
    const lines = readFileSync(join(root, path), "utf8").split("\n");
    for (let i = 0; i < lines.length; i++) {
      const fence = lines[i].match(/^( *)```(\w*)$/);
      const indented = /^ {4,}\S/.test(lines[i]) && lines[i - 1] === "";
      if (!fence && !indented) continue;
      const block = { line: i + 1, language: fence?.[2] ?? "", excerpt: lines[i - 1].trim() === "<!-- excerpt -->" };
      const code = [];
      if (fence) {
        while (lines[++i]?.trim() !== "```") {
          assert.ok(i < lines.length, `${path}:${block.line}: the block has no end`);
          code.push(lines[i].slice(fence[1].length));
        }
      } else {
        const margin = lines[i].match(/^ */)[0].length;
        for (; i < lines.length && (lines[i] === "" || lines[i].startsWith(" ".repeat(4))); i++) code.push(lines[i].slice(margin));
      }
      block.code = `${code.join("\n").trimEnd()}\n`;
      block.name = code[0].match(named)?.[1];
      this.#blocks.push(block);
    }
  }

  // take returns the first block that fits and was not taken yet. Its language
  // may be any.
  take(language, fits = /(?:)/) {
    return this.#use((b) => [b.language, "any"].includes(language) && fits.test(b.code), `${language}, with ${fits}`);
  }

  // sample is the same for what another test may take, too, excerpts included.
  sample(fits) {
    const block = this.#blocks.find((b) => fits.test(b.code));
    assert.ok(block, `${this.path} has no block of code: ${fits}`);
    return block;
  }

  // file returns the code of the block that is this file.
  file(name) { return this.#use((b) => b.name === name, name).code; }

  #use(fits, what) {
    const block = this.#blocks.find((b) => !b.used && !b.excerpt && fits(b));
    assert.ok(block, `${this.path} has no (other) block of code: ${what}`);
    block.used = true;
    return block;
  }

  // after returns the code of the block right after another: its output.
  after(block) {
    const next = this.#blocks[this.#blocks.indexOf(block) + 1];
    assert.ok(next && ["json", "text"].includes(next.language), `${this.path}:${block.line}: no output is shown`);
    next.used = true;
    return next.code;
  }

  // rest fails if there is code that no test has run. Excerpts are few.
  rest() {
    const left = this.#blocks.filter((b) => !b.used && !b.excerpt);
    assert.deepEqual(left.map((b) => `${this.path}:${b.line}`), [], "blocks that no test runs");
    assert.ok(this.#blocks.filter((b) => b.excerpt).length <= 1, `${this.path} has more than one excerpt`);
  }

  // bodies returns what stands between backquotes in the cells of tables and
  // is a JSON object.
  bodies() {
    return [...readFileSync(join(root, this.path), "utf8").matchAll(/^\|.*?`(\{.*?\})` \|$/gm)].map((m) => m[1]);
  }
}

// place makes a folder that goes with the test, and in which code of a page is
// run with these replacements: [text, by what].
export function place(t, replacements = []) {
  assert.ok(process.env.E2E_STENTOR, "E2E_STENTOR must name the stentor binary: run scripts/e2e.sh");
  const folder = mkdtempSync(join(tmpdir(), "stentor-docs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return new Place(t, folder, replacements);
}

class Place {
  env = {};

  constructor(t, folder, replacements) {
    Object.assign(this, { t, folder, replacements });
  }

  // at has the code use a server in place of the one at the default addresses.
  at({ host, admin }) {
    this.replacements.push(["127.0.0.1:8080", host], ["127.0.0.1:8081", admin.replace("http://", "")],
      [/\bstentor (subscribe|publish)\b(?!.*--url)/g, `stentor $1 --url http://${host}`]);
  }

  replaced(code) {
    return this.replacements.reduce((text, [from, to]) => text.replaceAll(from, to), code);
  }

  write(name, code) {
    const file = join(this.folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, this.replaced(code));
    return file;
  }

  // packages lets programs import what the tests do.
  packages() {
    symlinkSync(join(root, "test/e2e/node_modules"), join(this.folder, "node_modules"));
  }

  // begin starts commands, which end with the test.
  begin(code, { cwd = this.folder, env } = {}) {
    const command = new Command(this.replaced(code), cwd, { ...this.env, ...env });
    this.t.after(() => command.stop());
    return command;
  }

  // run waits for the end of commands, and returns what they have written.
  async run(code, options) {
    const command = this.begin(code, options);
    return { code: await command.end(), stdout: command.stdout, stderr: command.stderr };
  }

  // works runs commands that have to succeed, and returns their output.
  async works(code, options) {
    const { code: status, stdout, stderr } = await this.run(code, options);
    assert.equal(status, 0, `${code}${stdout}${stderr}`);
    return stdout;
  }

  // gateway starts `stentor serve` as a page does, on free ports.
  async gateway(code = "stentor serve", { host = "127.0.0.1:0", flags = "" } = {}) {
    const listen = host && `--listen ${host}`;
    const command = this.begin(`exec ${code.trimEnd()} ${listen} --admin 127.0.0.1:0 --drain-window 0s ${flags}`);
    const [, address, admin] = await command.wrote(/^stentor: ready, listening on (\S+), admin (\S+)$/m);
    return Object.assign(command, { host: address, admin: `http://${admin}` });
  }
}

// Command is a shell with what it has started.
class Command {
  stdout = "";
  stderr = "";
  #child;
  #closed;
  #wake = () => {};

  constructor(code, cwd, env) {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("STENTOR_")));
    clean.PATH = [dirname(process.env.E2E_STENTOR), clean.PATH, "/usr/sbin"].join(delimiter);
    this.code = code;
    this.#child = spawn("bash", ["-euc", code], { cwd, env: { ...clean, ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.#closed = once(this.#child, "close");
    this.#closed.finally(() => { this.over = true; this.#wake(); });
    for (const stream of ["stdout", "stderr"]) {
      this.#child[stream].setEncoding("utf8").on("data", (text) => {
        this[stream] += text;
        this.#wake();
      });
    }
  }

  // wrote waits until the output, or another stream, matches.
  async wrote(pattern, stream = "stdout") {
    const until = async () => {
      for (;;) {
        const found = this[stream].match(pattern);
        if (found) return found;
        assert.ok(!this.over, `ended without ${pattern}:\n${this.code}\n${this.stdout}${this.stderr}`);
        await new Promise((resolve) => { this.#wake = resolve; });
      }
    };
    try {
      return await within(until(), `${pattern} of ${this.code}`);
    } catch (error) {
      error.message += `\n${this.stdout}${this.stderr}`;
      throw error;
    }
  }

  // end waits for the end and returns the exit code, null after a signal.
  async end() {
    const [code] = await within(this.#closed, `the end of ${this.code}`);
    return code;
  }

  // signal reaches the shell and all that it has started.
  signal(name) {
    if (!this.over) process.kill(-this.#child.pid, name);
  }

  async stop(name = "SIGTERM") {
    this.signal(name);
    try {
      return await this.end();
    } catch (error) {
      this.signal("SIGKILL");
      throw error;
    }
  }
}

// freePort returns a port of the loopback interface that was free just now,
// for programs that cannot choose one.
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
