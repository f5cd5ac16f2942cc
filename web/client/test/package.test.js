// The package as others get it: its types, its script for pages without
// modules, its files.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import ts from "typescript";
import * as module from "../stentor.js";

const folder = fileURLToPath(new URL("..", import.meta.url));

// example is the code under a heading of the README.
function example(heading) {
  const section = readFileSync(join(folder, "README.md"), "utf8").split(`\n## ${heading}\n\n`)[1];
  return section.match(/^( {4}.*\n|\n)+/)[0].replaceAll(/^ {4}/gm, "");
}

test("the types fit what people write", () => {
  const options = {
    strict: true, useUnknownInCatchVariables: false, noEmit: true, types: [], lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const readme = join(folder, "test", "readme.ts"); // there is no such file
  const text = `import { Stentor } from "stentor-client";\ndeclare function show(...of: unknown[]): void;\n${example("Use")}`;
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => name === readme || fileExists(name);
  host.readFile = (name) => (name === readme ? text : readFile(name));
  host.getSourceFile = (name, target) => {
    const source = host.readFile(name);
    return source === undefined ? undefined : ts.createSourceFile(name, source, target);
  };
  const files = ["usage.ts", "usage-global.ts"].map((name) => join(folder, "test", name));
  const program = ts.createProgram([...files, readme], options, host);
  const faults = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) =>
    `${file?.fileName}:${file?.getLineAndCharacterOfPosition(start).line + 1}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
  assert.deepEqual(faults, []);
});

// declared returns the names of a class in the types, by whether they are
// methods.
function declared(name) {
  const path = join(folder, "stentor.d.ts");
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022);
  const found = source.statements.find((s) => ts.isClassDeclaration(s) && s.name.text === name);
  const names = (kind) => [...new Set(found.members.filter(kind).map((m) => m.name.text))].sort();
  return { methods: names(ts.isMethodDeclaration), properties: names(ts.isPropertyDeclaration) };
}

// has returns the same of an object.
function has(object) {
  const methods = new Set();
  const properties = new Set(Object.keys(object));
  for (let p = Object.getPrototypeOf(object); p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(p))) {
      if (name !== "constructor") (value ? methods : properties).add(name);
    }
  }
  return { methods: [...methods].sort(), properties: [...properties].sort() };
}

test("the types have what the classes have", () => {
  const stentor = new module.Stentor("ws://127.0.0.1", { WebSocket: class { close() {} } });
  const news = stentor.subscribe("news");
  assert.deepEqual(has(stentor), declared("Stentor"));
  assert.deepEqual(has(news), declared("Subscription"));
  stentor.close();
});

test("the plain script makes the same names global", (t) => {
  const temp = mkdtempSync(join(tmpdir(), "stentor-client-"));
  t.after(() => rmSync(temp, { recursive: true }));
  const file = join(temp, "global.js");
  execFileSync(process.execPath, [join(folder, "build.js"), file]);
  const page = createContext({ URL, location: { href: "https://example.com/" }, setTimeout, clearTimeout, WebSocket: class { close() {} } });
  runInContext(readFileSync(file, "utf8"), page);
  assert.deepEqual(Object.keys(page), ["URL", "location", "setTimeout", "clearTimeout", "WebSocket", "Stentor"]);
  assert.equal(runInContext("const s = new Stentor(); s.close(); s.state", page), "closed");
  assert.deepEqual(Object.keys(page.Stentor).sort(), Object.keys(module).sort());
});

test("the package is complete", () => {
  const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  assert.deepEqual(files.map(({ path }) => path).sort(),
    ["LICENSE", "README.md", "package.json", "stentor.d.ts", "stentor.global.d.ts", "stentor.global.js", "stentor.js"]);
});
