// Makes stentor.global.js, for pages without modules, of stentor.js.

import { readFileSync, writeFileSync } from "node:fs";

const file = (name) => new URL(name, import.meta.url);
const [body, names] = readFileSync(file("stentor.js"), "utf8").split(/\nexport \{(.*)\};\n$/);
const script = `(() => {\n${body}\nglobalThis.Stentor = Object.assign(Stentor, {${names}});\n})();\n`;
writeFileSync(file(process.argv[2] ?? "stentor.global.js"), script);
