// Fails on raw colours, sizes and durations outside of shared/tokens.css.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const tokens = join(root, "shared", "tokens.css");

const css = [
  [/#[0-9a-f]{3,8}\b/gi, "raw colour"],
  [/\b(?:rgba?|hsla?|oklch|oklab|lab|lch|color)\(/gi, "raw colour"],
  [/(?<![\w-])(?:white|black|red|green|blue|gr[ae]y|orange|yellow|silver)(?![\w-])/gi, "raw colour"],
  // One pixel is a hairline everywhere; conditions of @media cannot hold a token.
  [/(?<![\w.-])(?!1px)\d*\.?\d+(?:px|rem|pt|pc|cm|mm|in)\b/gi, "raw size"],
  [/(?<![\w.-])\d*\.?\d+m?s\b/gi, "raw duration"],
];
const code = [
  [/["'`]#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})["'`]/gi, "raw colour"],
  [/["'`](?:rgba?|hsla?)\(/gi, "raw colour"],
  [/["'`:\s]\d*\.?\d+(?:px|rem|ms)["'`;]/gi, "raw size or duration"],
];

function files(dir) {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

let bad = 0;
for (const dir of ["shared", "desk", "phone", "review", "diagnose"]) {
  for (const path of files(join(root, dir))) {
    const style = path.endsWith(".css");
    if (path === tokens || !(style || /\.tsx?$/.test(path))) continue;
    // Comments keep their lines so that numbers stay right.
    const blank = (s) => s.replace(/[^\n]/g, " ");
    let text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\//g, blank);
    text = style ? text.replace(/@(?:media|container|supports)[^{]*\{/g, blank) : text.replace(/^\s*\/\/.*$/gm, blank);
    text.split("\n").forEach((line, i) => {
      for (const [pattern, what] of style ? css : code) {
        for (const m of line.matchAll(pattern)) {
          console.error(`${path.slice(root.length)}:${i + 1}: ${what} ${m[0].trim()}: use a token of shared/tokens.css`);
          bad++;
        }
      }
    });
  }
}
if (bad > 0) process.exit(1);
