// `npm run build`: compiles src into a new folder, adds what is not TypeScript, and puts it in the place of dist at once,
// so that a failed build leaves the old one and a server that starts meanwhile never sees half of it.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { install, root, sourceFingerprint } from './prepare.mjs'

install()
const fingerprint = sourceFingerprint()
const dist = join(root, 'dist')
const draft = `${dist}.new-${process.pid}`
const old = `${dist}.old-${process.pid}`

process.once('exit', () => {
  for (const folder of [draft, old]) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

const compiler = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', draft], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
if (status !== 0) process.exit(1)

const source = join(root, 'src')
for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
  const from = join(source, name)
  if (/\.tsx?$/.test(name) || !statSync(from).isFile()) continue
  const to = join(draft, relative(source, from))
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to)
}
// The command line makes its requests from this: loading every schema instead would take it 75 ms at each start.
const { contract } = await import(join(draft, 'api/contract.js'))
const { describeOperations } = await import(join(draft, 'client/operations.js'))
writeFileSync(join(draft, 'client/operations.json'), JSON.stringify(describeOperations(contract)))
const bin = join(draft, 'bin.js')
if (existsSync(bin)) chmodSync(bin, 0o755)
writeFileSync(join(draft, '.jetty-build'), fingerprint)

if (existsSync(dist)) renameSync(dist, old)
renameSync(draft, dist)
