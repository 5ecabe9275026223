// `npm run build`: compiles src and builds the web beside each other into a new folder, and puts it in the place of dist at
// once, so that a failed build leaves the old one and a server that starts meanwhile never sees half of it. A half whose
// sources have not changed since it was built is taken over from the old folder; --all builds both.
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bundle, licencesOf } from './bundle.mjs'
import { compileForBuild, run } from './compile.mjs'
import { fingerprints, install, root, stamps, upToDate } from './prepare.mjs'

install()
const wanted = fingerprints()
const dist = join(root, 'dist')
const draft = `${dist}.new-${process.pid}`
const old = `${dist}.old-${process.pid}`
const isForced = process.argv.includes('--all')

process.once('exit', () => {
  for (const folder of [draft, old]) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

const copyOf = (name) => {
  if (existsSync(join(dist, name))) cpSync(join(dist, name), join(draft, name), { recursive: true })
}

const isOfWeb = (name) => name === 'web' || name === 'web-before' || name === stamps.web

/** Replaces the operations of the client by their values: in a browser the contract would bring every schema, and node:fs. */
const freezeWireOperations = async () => {
  const path = join(draft, 'client/wire-operations.js')
  if (!existsSync(path)) return
  const { wireOperations, clientVersion } = await import(path)
  const text = JSON.stringify(JSON.stringify(wireOperations))
  const version = JSON.stringify(clientVersion)
  writeFileSync(path, `export const wireOperations = JSON.parse(${text})\nexport const clientVersion = ${version}\n`)
}

/** Compiles src, and puts the program together. */
const buildSource = async () => {
  if (!isForced && upToDate('source', wanted)) {
    for (const name of readdirSync(dist)) if (!isOfWeb(name)) copyOf(name)
    return
  }
  await compileForBuild(draft, isForced ? undefined : wanted.source)
  // The command line makes its requests from this: loading every schema instead would take it 75 ms at each start.
  const { contract } = await import(join(draft, 'api/contract.js'))
  const { describeOperations } = await import(join(draft, 'client/operations.js'))
  writeFileSync(join(draft, 'client/operations.json'), JSON.stringify(describeOperations(contract)))
  await freezeWireOperations()
  const bin = join(draft, 'bin.js')
  const packages = await bundle([bin], join(draft, 'program'), draft)
  writeFileSync(join(draft, 'program/licenses.md'), `${licencesOf(packages)}\n`)
  writeFileSync(bin, "#!/usr/bin/env node\nimport './program/bin.js'\n")
  chmodSync(bin, 0o755)
  writeFileSync(join(draft, stamps.source), wanted.source)
}

const namesIn = (folder) => (existsSync(folder) ? readdirSync(folder) : [])

/** Packs the texts of a folder, so that the server packs nothing. */
const pack = (folder) => {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(css|html|js|json|svg|txt|webmanifest)$/.test(name)) continue
    const bytes = readFileSync(join(folder, name))
    const packed = gzipSync(bytes, { level: 9 })
    if (packed.length < bytes.length) writeFileSync(join(folder, `${name}.gz`), packed)
  }
}

/** Keeps the assets of the build before, for tabs that were opened before the upgrade. */
const keepBefore = () => {
  const before = namesIn(join(dist, 'web/assets'))
  const now = new Set(namesIn(join(draft, 'web/assets')))
  if (before.every((name) => now.has(name))) return copyOf('web-before') // nothing of it is new: keep the one before
  cpSync(join(dist, 'web/assets'), join(draft, 'web-before/assets'), { recursive: true })
}

/** Adds the licences of fonts to those of scripts, which Vite has written: it does not see what styles name. */
const addFontLicenses = (folder) => {
  const packages = join(root, 'node_modules/@fontsource-variable')
  for (const name of readdirSync(packages)) {
    const license = readFileSync(join(packages, name, 'LICENSE'), 'utf8')
    appendFileSync(join(folder, 'licenses.md'), `\n## @fontsource-variable/${name}\n\n${license}`)
  }
}

/** Builds the web. */
const buildWeb = async () => {
  if (!isForced && upToDate('web', wanted)) {
    for (const name of readdirSync(dist)) if (isOfWeb(name)) copyOf(name)
    return
  }
  const folder = join(draft, 'web')
  const options = ['--config', 'web/vite.config.ts', '--outDir', folder, '--emptyOutDir', '--logLevel', 'error']
  await run('vite/bin/vite.js', 'build', ...options)
  addFontLicenses(folder)
  pack(folder)
  keepBefore()
  writeFileSync(join(draft, stamps.web), wanted.web)
}

mkdirSync(draft)
const results = await Promise.allSettled([buildSource(), buildWeb()])
for (const { reason } of results) if (reason) console.error(`jetty: ${reason.message}`)
if (results.some(({ status }) => status === 'rejected')) process.exit(1)

if (existsSync(dist)) renameSync(dist, old)
renameSync(draft, dist)
