// Runs tus-js-client, unmodified, against a server: one scenario a line of output, as JSON.
// Usage: node run.mjs '{"endpoint":…,"proxied":…,"token":…,"caseID":…,"file":…}'
import fs from 'node:fs'
import { PassThrough } from 'node:stream'
import * as tus from 'tus-js-client'

const arg = JSON.parse(process.argv[2])
const bytes = fs.readFileSync(arg.file)

function options(step, more = {}) {
  return {
    endpoint: arg.endpoint,
    retryDelays: null,
    headers: { Authorization: `Bearer ${arg.token}` },
    metadata: { case: arg.caseID, step, filetype: 'image/jpeg', filename: 'front 正面.jpg' },
    ...more,
  }
}

function send(file, opts) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(file, { ...opts, onSuccess: () => resolve(upload), onError: reject })
    upload.start()
  })
}

// Sends until part has arrived, stops like a closed page, and goes on from the address alone.
function stopAndResume(step) {
  return new Promise((resolve, reject) => {
    const first = new tus.Upload(bytes, options(step, {
      chunkSize: 50_000,
      onError: reject,
      onChunkComplete: async (_size, accepted) => {
        if (accepted < 100_000) return
        await first.abort()
        send(bytes, options(step, { uploadUrl: first.url })).then(resolve, reject)
      },
    }))
    first.start()
  })
}

async function terminated(step) {
  const upload = await new Promise((resolve, reject) => {
    const u = new tus.Upload(bytes, options(step, { chunkSize: 50_000, onError: reject, onChunkComplete: () => resolve(u) }))
    u.start()
  })
  await upload.abort(true)
  return upload
}

const scenarios = {
  whole: () => send(bytes, options('document_front')),
  pieces: () => send(bytes, options('document_front', { chunkSize: 70_001 })),
  deferred: () => send(fs.createReadStream(arg.file).pipe(new PassThrough()), options('document_front', { chunkSize: 65_536, uploadLengthDeferred: true })),
  creation_with_upload: () => send(bytes, options('document_front', { uploadDataDuringCreation: true })),
  method_override: () => send(bytes, options('document_back', { overridePatchMethod: true, chunkSize: 100_000 })),
  resumed: () => stopAndResume('document_back'),
  cut_by_the_wire: () => send(bytes, options('document_back', {
    endpoint: arg.proxied, retryDelays: [0, 10, 20, 40, 80, 160, 320, 640],
  })),
  terminated: () => terminated('document_back'),
}

for (const [name, run] of Object.entries(scenarios)) {
  try {
    const upload = await run()
    console.log(JSON.stringify({ name, path: new URL(upload.url).pathname }))
  } catch (err) {
    console.log(JSON.stringify({ name, error: String(err) }))
  }
}
