// Draws the app icons out of the mark, so that there is one drawing of it: both halves, filled.
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";

const svg = readFileSync(new URL("shared/mark.svg", import.meta.url), "utf8");
const colour = (name) => /--NAME:(#[0-9A-F]{6})/i.source.replace("NAME", name);
const tokens = readFileSync(new URL("shared/tokens.css", import.meta.url), "utf8");
const token = (name) => new RegExp(colour(name), "i").exec(tokens)[1].match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));

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

function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i];
    const [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

/** A PNG of the mark, `size` points wide, with `margin` (a share of it) around. */
export function icon(size, margin) {
  const ground = token("surface");
  const ink = token("accent");
  const fine = 4;
  const rows = [];
  for (let y = 0; y < size; y++) {
    const row = Buffer.alloc(1 + size * 3);
    for (let x = 0; x < size; x++) {
      let hits = 0;
      for (let i = 0; i < fine * fine; i++) {
        const at = (v, k) => (((v + (k + 0.5) / fine) / size - margin) / (1 - 2 * margin)) * 48;
        const [px, py] = [at(x, i % fine), at(y, Math.floor(i / fine))];
        if (halves.some((half) => inside(half, px, py))) hits++;
      }
      const share = hits / (fine * fine);
      for (let k = 0; k < 3; k++) row[1 + x * 3 + k] = Math.round(ground[k] + (ink[k] - ground[k]) * share);
    }
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
