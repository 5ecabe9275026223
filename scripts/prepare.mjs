// Gets a clone ready to run with nothing but Node: installs what the lock file says and builds what has changed.
// What npm and the build print goes to stderr, so that stdout stays for whoever reads it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const installStamp = join(root, 'node_modules/.jetty-install')
const buildStamp = join(root, 'dist/.jetty-build')
const oldestNode = [20, 19]

const readOr = (path, fallback) => (existsSync(path) ? readFileSync(path, 'utf8') : fallback)

const refuseOldNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  console.error(`Jetty needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node}.`)
  process.exit(1)
}

/** Runs a command to its end with its output on stderr; ends this process when it fails. */
const runOrExit = (title, file, args) => {
  console.error(`jetty: ${title}`)
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status === 0) return
  console.error(`jetty: ${title} failed${error ? `: ${error.message}` : ` (exit code ${status})`}`)
  process.exit(1)
}

const npm = (...args) =>
  // Under npm its own path is known, and is right where `npm` on the PATH is another one or a shell script.
  process.env.npm_execpath?.endsWith('.js') ? [process.execPath, [process.env.npm_execpath, ...args]] : ['npm', args]

const platform = `${process.platform}-${process.arch} ${process.versions.modules}`

/** Whether somebody's `npm install` already did what `npm ci` would do: npm's own record says the same as the lock. */
const isInstalled = (lock) => {
  const record = readOr(join(root, 'node_modules/.package-lock.json'), undefined)
  if (!record) return false
  const present = JSON.parse(record).packages
  return Object.entries(JSON.parse(lock).packages).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional && !present[path]),
  )
}

/** Runs `npm ci` when the lock file, the platform or Node's ABI differ from those of the last install. */
export const install = () => {
  refuseOldNode()
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const wanted = `${createHash('sha256').update(lock).digest('hex')} ${platform}\n`
  const last = readOr(installStamp, '')
  if (last === wanted) return
  // --include=dev: NODE_ENV=production would leave the build tools out.
  const samePlatform = last === '' || last.endsWith(` ${platform}\n`)
  if (!samePlatform || !isInstalled(lock)) {
    runOrExit('installing packages (npm ci)', ...npm('ci', '--include=dev', '--no-audit', '--no-fund'))
  }
  writeFileSync(installStamp, wanted)
}

const buildInputs = [
  'src',
  'scripts/build.mjs',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
]

const filesBelow = (path) => {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (!facts?.isDirectory()) return facts ? [path] : []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)],
  )
}

/** A fingerprint of everything the build reads: path, size and time of change, which is fast and misses nothing real. */
export const sourceFingerprint = () => {
  const hash = createHash('sha256')
  for (const path of buildInputs.flatMap((input) => filesBelow(join(root, input))).sort()) {
    if (path.endsWith('.test.ts')) continue
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path} ${size} ${mtimeMs}\n`)
  }
  return `${hash.digest('hex')} ${process.versions.modules}\n`
}

/** Builds `dist` when a source has changed since it was built. */
export const build = () => {
  const fingerprint = sourceFingerprint()
  if (readOr(buildStamp, '') === fingerprint && existsSync(join(root, 'dist/bin.js'))) return
  runOrExit('building', process.execPath, [join(root, 'scripts/build.mjs')])
}

/**
 * Continues as another program in this very process: signals, exit code and a kill -9 reach it without a go-between,
 * which could die alone and leave it behind.
 */
export const become = async (file, args) => {
  process.argv = [process.execPath, file, ...args]
  await import(pathToFileURL(file).href)
}
