/**
 * Looks for a face, off the page's thread, so that the picture never stutters. It runs the networks that the server
 * runs, from the server's own files; what it finds guides the person and decides nothing.
 */
import * as faceapi from "@vladmandic/face-api/dist/face-api.esm.js";
import plainWasm from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import simdWasm from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import { dlibFrame, fiveFrame, meshFrame, mirrored, sample, type Face } from "./geometry";
import { Follow, portraitSizes, surest, type Box, type Found } from "./sizes";
import type { FromWorker, ToWorker } from "./watch";

// tfjs and the networks of face-api, as far as they are used. The package's own types need the page's.
interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Model {
  execute(input: Tensor, outputs?: string[]): Tensor | Tensor[];
}
interface Api {
  tf: {
    setWasmPaths(paths: Record<string, string>): void;
    setBackend(name: string): Promise<boolean>;
    ready(): Promise<void>;
    env(): { set(flag: string, value: boolean): void };
    tensor(values: Float32Array | Int32Array, shape: number[], type?: string): Tensor;
    loadGraphModel(url: string): Promise<Model>;
  };
  nets: {
    tinyFaceDetector: { loadFromUri(url: string): Promise<void> };
    faceLandmark68Net: { loadFromUri(url: string): Promise<void>; detectLandmarks(input: Tensor): Promise<{ positions: { x: number; y: number }[] }> };
    faceRecognitionNet: { loadFromUri(url: string): Promise<void>; computeFaceDescriptor(input: Tensor): Promise<Float32Array> };
  };
  TinyFaceDetectorOptions: new (options: { inputSize: number; scoreThreshold: number }) => unknown;
  detectAllFaces(input: Tensor, options: unknown): PromiseLike<{ score: number; box: Box }[]>;
  env: { setEnv(env: Record<string, unknown>): void };
}
const api = faceapi as unknown as Api;
const tf = api.tf;

// The package looks for a page's elements; here there is none, and everything it gets is a tensor.
class Nothing {}
api.env.setEnv({
  Canvas: OffscreenCanvas,
  CanvasRenderingContext2D: OffscreenCanvasRenderingContext2D,
  Image: Nothing,
  ImageData,
  Video: Nothing,
  createCanvasElement: () => new OffscreenCanvas(1, 1),
  createImageElement: () => new Nothing(),
  createVideoElement: () => new Nothing(),
  fetch: (...args: Parameters<typeof fetch>) => fetch(...args),
  readFile: () => Promise.reject(new Error("there are no files here")),
});

const scope = self as unknown as { postMessage(message: FromWorker): void; onmessage: ((event: MessageEvent<ToWorker>) => void) | null };

let mesh: Model | null = null;
let mobile: Model | null = null;
let embedder = "";
let detects = false;

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true })!;

/** Takes the pixels of a picture, made no longer than `longest`. */
function pixels(bitmap: ImageBitmap, longest: number): ImageData {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The same as a tensor of red, green and blue. */
function tensorOf(picture: ImageData): Tensor {
  const { data, width, height } = picture;
  const rgb = new Int32Array(3 * width * height);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    rgb[j++] = data[i]!;
    rgb[j++] = data[i + 1]!;
    rgb[j++] = data[i + 2]!;
  }
  return tf.tensor(rgb, [height, width, 3], "int32");
}

/** Calls `use` with what finds the faces on a picture made so many pixels long. */
async function detecting<T>(picture: ImageData, use: (detect: (size: number) => Promise<Found[]>) => Promise<T>): Promise<T> {
  const input = tensorOf(picture);
  try {
    return await use(async (size) => {
      const found = await api.detectAllFaces(input, new api.TinyFaceDetectorOptions({ inputSize: size, scoreThreshold: 0.4 }));
      return found.map((one) => ({ score: one.score, x: one.box.x, y: one.box.y, width: one.box.width, height: one.box.height }));
    });
  } finally {
    input.dispose();
  }
}

/** The landmarks of the face in a box. */
async function landmarksOf(picture: ImageData, box: Box): Promise<Float32Array> {
  const x0 = Math.max(0, Math.floor(box.x));
  const y0 = Math.max(0, Math.floor(box.y));
  const w = Math.max(1, Math.floor(Math.min(picture.width, box.x + box.width) - x0));
  const h = Math.max(1, Math.floor(Math.min(picture.height, box.y + box.height) - y0));
  const part = new ImageData(w, h);
  for (let y = 0; y < h; y++) part.data.set(picture.data.subarray(4 * ((y0 + y) * picture.width + x0), 4 * ((y0 + y) * picture.width + x0 + w)), 4 * y * w);
  const input = tensorOf(part);
  try {
    const { positions } = await api.nets.faceLandmark68Net.detectLandmarks(input);
    const out = new Float32Array(136);
    positions.forEach((p, i) => {
      out[2 * i] = x0 + p.x;
      out[2 * i + 1] = y0 + p.y;
    });
    return out;
  } finally {
    input.dispose();
  }
}

/** Lays the mesh on a face. */
async function meshOf(picture: ImageData, landmarks: Float32Array): Promise<{ mesh: Float32Array; presence: number }> {
  if (mesh === null) return { mesh: new Float32Array(0), presence: 0 };
  const n = 192;
  const frame = meshFrame(landmarks, n);
  const square = sample(picture, frame, n).map((v) => v / 255);
  const input = tf.tensor(square, [1, n, n, 3]);
  const found = mesh.execute(input, ["Identity_2", "Identity_1"]) as Tensor[];
  input.dispose();
  const [points, presence] = await Promise.all(found.map((one) => one.data()));
  found.forEach((one) => one.dispose());
  const out = new Float32Array(points!.length);
  for (let i = 0; i + 2 < points!.length; i += 3) {
    const [x, y] = [points![i]! * frame.step, points![i + 1]! * frame.step];
    out[i] = frame.x + frame.cos * x - frame.sin * y;
    out[i + 1] = frame.y + frame.sin * x + frame.cos * y;
    out[i + 2] = points![i + 2]!;
  }
  return { mesh: out, presence: presence![0]! };
}

/** Who it is, as a vector; null while the embedder is not loaded. */
async function embed(picture: ImageData, landmarks: Float32Array): Promise<Float32Array | null> {
  if (embedder === "dlib") {
    const square = sample(picture, dlibFrame(landmarks), 150).map((v) => Math.round(v));
    const vectors: Float32Array[] = [];
    for (const one of [square, mirrored(square, 150)]) {
      const input = tf.tensor(one, [150, 150, 3]);
      vectors.push(await api.nets.faceRecognitionNet.computeFaceDescriptor(input));
      input.dispose();
    }
    return vectors[0]!.map((v, i) => (v + vectors[1]![i]!) / 2);
  }
  if (mobile === null) return null;
  const square = sample(picture, fiveFrame(landmarks), 112);
  const sum = new Float32Array(192);
  for (const one of [square, mirrored(square, 112)]) {
    const input = tf.tensor(one.map((v) => (v - 127.5) / 128), [1, 112, 112, 3]);
    const found = mobile.execute(input) as Tensor;
    input.dispose();
    const vector = await found.data();
    found.dispose();
    const length = Math.hypot(...vector);
    vector.forEach((v, i) => {
      sum[i]! += v / length;
    });
  }
  const length = Math.hypot(...sum);
  return sum.map((v) => v / length);
}

/** Mean brightness of a part of a picture, of every fourth pixel. */
function brightness(picture: ImageData, box: Box): number {
  let sum = 0;
  let n = 0;
  const [x1, y1] = [Math.min(picture.width, box.x + box.width), Math.min(picture.height, box.y + box.height)];
  for (let y = Math.max(0, Math.floor(box.y)); y < y1; y += 2) {
    for (let x = Math.max(0, Math.floor(box.x)); x < x1; x += 2) {
      const i = 4 * (y * picture.width + x);
      sum += 0.299 * picture.data[i]! + 0.587 * picture.data[i + 1]! + 0.114 * picture.data[i + 2]!;
      n++;
    }
  }
  return n === 0 ? 0 : sum / n;
}

/** The picture as 40 by 40 brightnesses. */
function printOf(picture: ImageData): Uint8Array {
  const n = 40;
  const out = new Uint8Array(n * n);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const [w, h] = [picture.width / n, picture.height / n];
      out[j * n + i] = Math.round(brightness(picture, { x: Math.floor(i * w), y: Math.floor(j * h), width: w, height: h }));
    }
  }
  return out;
}

const whole = (p: ImageData): Box => ({ x: 0, y: 0, width: p.width, height: p.height });

const follow = new Follow();

async function look(bitmap: ImageBitmap, who: boolean): Promise<Extract<FromWorker, { type: "seen" }>["sight"]> {
  const picture = pixels(bitmap, 640);
  const print = printOf(picture);
  const boxes = detects ? await detecting(picture, (detect) => follow.next(detect)) : [];
  boxes.sort((a, b) => b.width * b.height - a.width * a.height);
  const box = boxes[0];
  if (box === undefined) return { face: null, second: 0, x: 0.5, y: 0.5, height: 0, light: brightness(picture, whole(picture)), print, who: null };
  const landmarks = await landmarksOf(picture, box);
  const face: Face = { landmarks, ...(await meshOf(picture, landmarks)) };
  return {
    face,
    second: boxes[1] === undefined ? 0 : boxes[1].height / box.height,
    x: (box.x + box.width / 2) / picture.width,
    y: (box.y + box.height / 2) / picture.height,
    height: box.height / picture.height,
    light: brightness(picture, box),
    print,
    who: who ? await embed(picture, landmarks) : null,
  };
}

const leastPortrait = 0.5;

/** The person on a document's photo; null where no face is found. */
async function portrait(bitmap: ImageBitmap): Promise<Float32Array | null> {
  const picture = pixels(bitmap, 1280);
  const [box] = (await detecting(picture, (detect) => surest(portraitSizes, detect))).faces;
  // An emblem is easily taken for a face, but not surely.
  return box === undefined || box.score < leastPortrait ? null : embed(picture, await landmarksOf(picture, box));
}

async function open(base: string, model: string): Promise<void> {
  // Threads would need a page that shares memory with nobody, and are worth little for networks of this size. The package
  // asks for a path all the same.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.setWasmPaths({ "tfjs-backend-wasm.wasm": plainWasm, "tfjs-backend-wasm-simd.wasm": simdWasm, "tfjs-backend-wasm-threaded-simd.wasm": simdWasm });
  if (!(await tf.setBackend("wasm"))) throw new Error("no WebAssembly");
  await tf.ready();
  await Promise.all([api.nets.tinyFaceDetector.loadFromUri(base), api.nets.faceLandmark68Net.loadFromUri(base)]);
  detects = true;
  scope.postMessage({ type: "ready", what: "guide" });
  mesh = await tf.loadGraphModel(base + "facemesh.json");
  scope.postMessage({ type: "ready", what: "moves" });
  if (model === "dlib") await api.nets.faceRecognitionNet.loadFromUri(base);
  else if (model === "mobilefacenet") mobile = await tf.loadGraphModel(base + "mobilefacenet.json");
  else return; // the operator's own model runs on the server alone
  embedder = model;
  scope.postMessage({ type: "ready", what: "who" });
}

// One after the other: tensors of one look are gone before the next.
let queue: Promise<void> = Promise.resolve();
scope.onmessage = ({ data }) => {
  if (data.type === "open") {
    open(data.base, data.model).catch((error: unknown) => scope.postMessage({ type: "failed", why: error instanceof Error ? error.message : "unknown" }));
    return;
  }
  queue = queue.then(async () => {
    try {
      if (data.type === "look") scope.postMessage({ type: "seen", id: data.id, sight: await look(data.bitmap, data.who) });
      else scope.postMessage({ type: "portrait", id: data.id, who: await portrait(data.bitmap) });
    } catch (error) {
      scope.postMessage({ type: "failed", why: error instanceof Error ? error.message : "unknown" });
    } finally {
      data.bitmap.close();
    }
  });
};
