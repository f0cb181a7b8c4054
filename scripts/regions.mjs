// Writes checks/regions.txt, the six-digit regions of GB/T 2260 that resident ID cards begin with: those of today and
// those abandoned, which stay on issued cards. It takes them from two npm packages (MIT) in exact versions, whose
// archives' SHA-256 are pinned below; run it after changing one. Nothing but the codes and years goes into the file.
//
//   gb2260 0.6.0         19 lists, from December 2002 to July 2016: a code that a later list lacks was abandoned by that year
//   id-validator 1.3.0   one list of about 1999: what is in none of the others was abandoned by 2002

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const packages = {
  'gb2260@0.6.0': 'a7f87d68ab3a420884f1f8874abe11017ec7cbf60b0c0684ca3e59ed2e4e2c19',
  'id-validator@1.3.0': '3067e20cfc505c2d7b0e07bf1cfdcaf53778f7dea887317b47713670b0a29f39',
}

const dir = mkdtempSync(join(tmpdir(), 'regions-'))
try {
  // unpacked returns the folder of a package as the registry has it, without installing it.
  const unpacked = (spec) => {
    const name = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', dir, spec], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
    const got = createHash('sha256').update(readFileSync(join(dir, name))).digest('hex')
    if (got !== packages[spec]) throw new Error(`${spec} has SHA-256 ${got} instead of ${packages[spec]}`)
    execFileSync('tar', ['xzf', join(dir, name), '-C', dir, '--one-top-level=' + spec.split('@')[0]])
    return join(dir, spec.split('@')[0], 'package')
  }
  const lists = unpacked('gb2260@0.6.0')
  const json = (name) => JSON.parse(readFileSync(join(lists, 'lib', name), 'utf8'))
  const revisions = json('revisions.json').sort()
  const abandoned = new Map() // code → the year of the first list without it; 0 while it holds
  // A plain table as its text: nothing of the package is run.
  for (const [, code] of readFileSync(join(unpacked('id-validator@1.3.0'), 'src/GB2260.js'), 'utf8').matchAll(/"(\d{6})":"/g)) abandoned.set(code, 2002)
  revisions.forEach((revision, i) => {
    const next = revisions[i + 1]
    for (const code of Object.keys(json(`${revision}.json`))) abandoned.set(code, next ? Number(next.slice(0, 4)) : 0)
  })
  const lines = new Map() // prefecture → its last two digits
  for (const code of [...abandoned.keys()].sort()) {
    if (code.endsWith('0000') || code > '72') continue // provinces, and what has no resident ID cards
    const year = abandoned.get(code)
    lines.set(code.slice(0, 4), [...(lines.get(code.slice(0, 4)) ?? []), code.slice(4) + (year ? `-${year}` : '')])
  }
  const text = [...lines].map(([prefecture, rest]) => `${prefecture} ${rest.join(' ')}\n`).join('')
  writeFileSync(join(root, 'checks/regions.txt'), text)
  console.log(`checks/regions.txt: ${abandoned.size} codes, ${text.length} bytes`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
