/**
 * What a face does, measured on its landmarks and mesh. The server measures the same on the frames that it gets
 * and believes only that; here it guides the person.
 */

export interface Point { x: number; y: number }

/** A square on a picture: its top left corner, how many of the picture's pixels one of its own covers, how it is turned. */
export interface Frame { x: number; y: number; step: number; cos: number; sin: number }

/** What one picture shows of the largest face. Lengths are in the picture's pixels. */
export interface Face {
  /** 68 points, x and y in turn. */
  landmarks: Float32Array;
  /** 468 points, x, y and depth in turn. Empty until the mesh is loaded. */
  mesh: Float32Array;
  presence: number;
}

export interface Pose { turn: number; yaw: number; roll: number; eyes: number; mouth: number }

const landmark = (of: Float32Array, i: number): Point => ({ x: of[2 * i]!, y: of[2 * i + 1]! });
const meshPoint = (of: Float32Array, i: number): Point => ({ x: of[3 * i]!, y: of[3 * i + 1]! });
const apart = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

function middle(of: Point[]): Point {
  const sum = of.reduce((a, b) => ({ x: a.x + b.x, y: a.y + b.y }), { x: 0, y: 0 });
  return { x: sum.x / of.length, y: sum.y / of.length };
}

/** The middles of the eyes; the one on the picture's left first, which is the person's right. */
function eyeMiddles(landmarks: Float32Array): [Point, Point] {
  const of = (from: number): Point => middle([0, 1, 2, 3, 4, 5].map((i) => landmark(landmarks, from + i)));
  return [of(36), of(42)];
}

/** How far the line between the eyes leans, in radians. */
export function rollOf(landmarks: Float32Array): number {
  const [l, r] = eyeMiddles(landmarks);
  return Math.atan2(r.y - l.y, r.x - l.x);
}

/** Where the tip of the nose stands between the ends of the jaw: 0 in the middle, positive to the person's left. */
export function turnOf(landmarks: Float32Array): number {
  const roll = rollOf(landmarks);
  const along = (i: number): number => landmark(landmarks, i).x * Math.cos(roll) + landmark(landmarks, i).y * Math.sin(roll);
  const a = along(0);
  const b = along(16);
  return b <= a ? 0 : (2 * along(30) - a - b) / (b - a);
}

/** How open the eyes are: height through width, the mean of both. */
export function eyesOf(mesh: Float32Array): number {
  const p = (i: number): Point => meshPoint(mesh, i);
  const eye = (outer: number, inner: number, up1: number, low1: number, up2: number, low2: number): number =>
    (apart(p(up1), p(low1)) + apart(p(up2), p(low2))) / (2 * apart(p(outer), p(inner)));
  return (eye(33, 133, 159, 145, 158, 153) + eye(263, 362, 386, 374, 385, 380)) / 2;
}

/** How open the mouth is. */
export function mouthOf(mesh: Float32Array): number {
  const p = (i: number): Point => meshPoint(mesh, i);
  return apart(p(13), p(14)) / apart(p(78), p(308));
}

/** What a face does; without a mesh, its turn alone. */
export function poseOf(face: Face): Pose {
  const pose: Pose = { turn: turnOf(face.landmarks), yaw: 0, roll: rollOf(face.landmarks), eyes: NaN, mouth: NaN };
  if (face.mesh.length === 0) return pose;
  const right = 33;
  const left = 263;
  const m = face.mesh;
  pose.yaw = Math.atan2(m[3 * left + 2]! - m[3 * right + 2]!, m[3 * left]! - m[3 * right]!);
  pose.eyes = eyesOf(m);
  pose.mouth = mouthOf(m);
  return pose;
}

/** Points that neither the mouth nor the eyes move. */
const stiff = [
  10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 67, 297, 109, 338, 54, 284, 103, 332, 21, 251, 127, 356, 234, 454, 116, 345, 117, 346, 118, 347, 101, 330, 50, 280, 48,
  278, 98, 327, 2, 33, 133, 263, 362,
];

/**
 * Undoes on a mesh what stretching, shearing and shifting could do to the resting one, and says by how much the stiff points
 * still differ, as a share of the distance of the resting eyes. Null where no such map can be found.
 */
export function flatten(resting: Float32Array, mesh: Float32Array): { flat: Float32Array; relief: number } | null {
  if (resting.length !== mesh.length || mesh.length === 0) return null;
  const from = stiff.map((i) => meshPoint(mesh, i));
  const to = stiff.map((i) => meshPoint(resting, i));
  const a = middle(from);
  const b = middle(to);
  let [xx, xy, yy, xu, yu, xv, yv] = [0, 0, 0, 0, 0, 0, 0];
  from.forEach((p, i) => {
    const [x, y, u, v] = [p.x - a.x, p.y - a.y, to[i]!.x - b.x, to[i]!.y - b.y];
    xx += x * x;
    xy += x * y;
    yy += y * y;
    xu += x * u;
    yu += y * u;
    xv += x * v;
    yv += y * v;
  });
  const det = xx * yy - xy * xy;
  const eyes = apart(meshPoint(resting, 33), meshPoint(resting, 263));
  if (!(det > 1e-9 * xx * yy) || !(eyes > 0)) return null;
  const [ux, uy, vx, vy] = [(xu * yy - yu * xy) / det, (yu * xx - xu * xy) / det, (xv * yy - yv * xy) / det, (yv * xx - xv * xy) / det];
  const flat = new Float32Array(mesh);
  for (let i = 0; i < mesh.length; i += 3) {
    const [x, y] = [mesh[i]! - a.x, mesh[i + 1]! - a.y];
    flat[i] = b.x + ux * x + uy * y;
    flat[i + 1] = b.y + vx * x + vy * y;
  }
  const sum = stiff.reduce((s, i) => s + apart(meshPoint(flat, i), meshPoint(resting, i)) ** 2, 0);
  return { flat, relief: Math.sqrt(sum / stiff.length) / eyes };
}

/** The square of `n` pixels a side that shows `side` pixels about a centre, leaning by an angle. */
export function around(centre: Point, side: number, angle: number, n: number): Frame {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const h = side / 2;
  return { x: centre.x - h * cos + h * sin, y: centre.y - h * sin - h * cos, step: side / n, cos, sin };
}

/** Where the mesh looks. */
export function meshFrame(landmarks: Float32Array, n: number): Frame {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < landmarks.length; i += 2) {
    x0 = Math.min(x0, landmarks[i]!);
    x1 = Math.max(x1, landmarks[i]!);
    y0 = Math.min(y0, landmarks[i + 1]!);
    y1 = Math.max(y1, landmarks[i + 1]!);
  }
  const side = 1.6 * Math.max(x1 - x0, y1 - y0);
  return around({ x: (x0 + x1) / 2, y: (y0 + y1) / 2 - 0.08 * side }, side, rollOf(landmarks), n);
}

/** The places of eyes, nose and corners of the mouth on a square of 112 pixels. */
const five: Point[] = [
  { x: 38.2946, y: 51.6963 },
  { x: 73.5318, y: 51.5014 },
  { x: 56.0252, y: 71.7366 },
  { x: 41.5493, y: 92.3655 },
  { x: 70.7299, y: 92.2041 },
];

/** Where an embedder of the ArcFace family looks: the turned square for which the five points lie nearest to their places. */
export function fiveFrame(landmarks: Float32Array): Frame {
  const [l, r] = eyeMiddles(landmarks);
  const have = [l, r, landmark(landmarks, 30), landmark(landmarks, 48), landmark(landmarks, 54)];
  const from = middle(five);
  const to = middle(have);
  let [a, b, sum] = [0, 0, 0];
  five.forEach((p, i) => {
    const [x, y, u, v] = [p.x - from.x, p.y - from.y, have[i]!.x - to.x, have[i]!.y - to.y];
    a += x * u + y * v;
    b += x * v - y * u;
    sum += u * u + v * v;
  });
  const n = Math.hypot(a, b);
  const [step, cos, sin] = [sum / n, a / n, b / n];
  return { x: to.x - step * (cos * from.x - sin * from.y), y: to.y - step * (sin * from.x + cos * from.y), step, cos, sin };
}

/** Where dlib's embedder looks: with level eyes, from brow to chin. */
export function dlibFrame(landmarks: Float32Array): Frame {
  const [l, r] = eyeMiddles(landmarks);
  const mouth = middle(Array.from({ length: 20 }, (_, i) => landmark(landmarks, 48 + i)));
  const side = (apart(l, mouth) + apart(r, mouth)) / 2 / 0.45;
  const c = middle([l, r, mouth]);
  const angle = rollOf(landmarks);
  const down = 0.07 * side;
  return around({ x: c.x - Math.sin(angle) * down, y: c.y + Math.cos(angle) * down }, side, angle, 150);
}

/** Fills a square of n pixels from a picture of RGBA: red, green, blue from 0 to 255. Over the edge, the edge's colour. */
export function sample(picture: { data: Uint8ClampedArray; width: number; height: number }, frame: Frame, n: number): Float32Array {
  const out = new Float32Array(3 * n * n);
  const { data, width, height } = picture;
  // As many looks a pixel as it covers, so that a small square has no false patterns.
  const looks = Math.max(1, Math.min(4, Math.ceil(frame.step - 1e-9)));
  const share = 1 / (looks * looks);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const at = 3 * (j * n + i);
      for (let k = 0; k < looks * looks; k++) {
        const u = (i + ((k % looks) + 0.5) / looks) * frame.step;
        const v = (j + (Math.floor(k / looks) + 0.5) / looks) * frame.step;
        const x = Math.min(width - 1, Math.max(0, frame.x + frame.cos * u - frame.sin * v - 0.5));
        const y = Math.min(height - 1, Math.max(0, frame.y + frame.sin * u + frame.cos * v - 0.5));
        const [x0, y0] = [Math.floor(x), Math.floor(y)];
        const [ax, ay] = [x - x0, y - y0];
        const a = 4 * (y0 * width + x0);
        const right = x0 < width - 1 ? 4 : 0;
        const below = y0 < height - 1 ? 4 * width : 0;
        for (let c = 0; c < 3; c++) {
          const top = data[a + c]! * (1 - ax) + data[a + right + c]! * ax;
          const bottom = data[a + below + c]! * (1 - ax) + data[a + below + right + c]! * ax;
          out[at + c]! += (top * (1 - ay) + bottom * ay) * share;
        }
      }
    }
  }
  return out;
}

/** Exchanges left and right of a square. */
export function mirrored(square: Float32Array, n: number): Float32Array {
  const out = new Float32Array(square.length);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      for (let c = 0; c < 3; c++) out[3 * (j * n + i) + c] = square[3 * (j * n + n - 1 - i) + c]!;
    }
  }
  return out;
}
