// Draws the app icons out of the mark, so that there is one drawing of it: both halves, filled.
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";

const svg = readFileSync(new URL("shared/mark.svg", import.meta.url), "utf8");
const tokens = readFileSync(new URL("shared/tokens.css", import.meta.url), "utf8");
const token = (name) => new RegExp(`--${name}:#([0-9A-F]{6})`, "i").exec(tokens)[1].match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));

/** The halves as polygons on a grid of 48: each path is M, an arc that is half a circle, relative lines, z. */
const halves = [...svg.matchAll(/ d="M([\d.]+) ([\d.]+)a20 20 0 0 ([01]) 0 40l([^"]+?)z"/g)].map(([, x, y, sweep, lines]) => {
  const points = [];
  for (let i = 0; i <= 64; i++) {
    const angle = (Math.PI * i) / 64;
    const side = sweep === "1" ? 1 : -1;
    points.push([Number(x) + side * 20 * Math.sin(angle), Number(y) + 20 - 20 * Math.cos(angle)]);
  }
  let [px, py] = points[points.length - 1];
  const steps = lines.match(/-?[\d.]+/g).map(Number);
  for (let i = 0; i < steps.length; i += 2) points.push([(px += steps[i]), (py += steps[i + 1])]);
  return points;
});
if (halves.length !== 2) throw new Error("shared/mark.svg is not two halves any more: icons.mjs cannot draw it");

/** Where a line at height y enters and leaves a polygon, from left to right. */
function crossings(polygon, y) {
  const at = [];
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i];
    const [bx, by] = polygon[j];
    if (ay > y !== by > y) at.push(((bx - ax) * (y - ay)) / (by - ay) + ax);
  }
  return at.sort((a, b) => a - b);
}

/** A PNG of the mark, `size` points wide, with `margin` (a share of it) around. */
export function icon(size, margin) {
  const ground = token("surface");
  const ink = token("accent");
  const fine = 8; // lines a row
  const scale = (size * (1 - 2 * margin)) / 48;
  const rows = [];
  for (let y = 0; y < size; y++) {
    const covered = new Float64Array(size);
    for (let k = 0; k < fine; k++) {
      for (const half of halves) {
        const at = crossings(half, (y + (k + 0.5) / fine - size * margin) / scale).map((x) => x * scale + size * margin);
        for (let i = 0; i + 1 < at.length; i += 2) {
          for (let x = Math.floor(at[i]); x < at[i + 1]; x++) covered[x] += (Math.min(x + 1, at[i + 1]) - Math.max(x, at[i])) / fine;
        }
      }
    }
    const row = Buffer.alloc(1 + size * 3);
    for (let x = 0; x < size; x++) for (let c = 0; c < 3; c++) row[1 + x * 3 + c] = Math.round(ground[c] + (ink[c] - ground[c]) * Math.min(1, covered[x]));
    rows.push(row);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), part("IHDR", head), part("IDAT", deflateSync(Buffer.concat(rows), { level: 9 })), part("IEND", Buffer.alloc(0))]);
}

function part(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

function crc(bytes) {
  let c = ~0;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  }
  return ~c >>> 0;
}
