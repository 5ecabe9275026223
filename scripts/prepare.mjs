// Gets a clone ready to run with nothing but Node: installs what the lock file says and builds what has changed.
// What npm and the build print goes to stderr, so that stdout stays for whoever reads it.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const installStamp = join(root, 'node_modules/.jetty-installed')
const oldestNode = [20, 19]

const readOr = (path, fallback) => (existsSync(path) ? readFileSync(path, 'utf8') : fallback)

const refuseOldNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  console.error(`Jetty needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node}.`)
  process.exit(1)
}

const slowMs = 10_000

/** Prints a text after ten seconds, while this process waits for another one. Returns a function that stops it. */
const sayLater = (text) => {
  const parent = process.pid
  const code = `setTimeout(() => process.ppid === ${parent} && console.error(${JSON.stringify(text)}), ${slowMs})`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'inherit'] })
  child.unref()
  return () => child.kill()
}

/** Runs a command to its end with its output on stderr; ends this process when it fails. */
const runOrExit = (title, file, args, whenSlow) => {
  console.error(`jetty: ${title}`)
  const stop = sayLater(whenSlow)
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: ['ignore', 2, 2] })
  stop()
  if (status === 0) return
  console.error(`jetty: ${title} failed${error ? `: ${error.message}` : ` (exit code ${status})`}`)
  process.exit(1)
}

const slowInstall = () => {
  const registry = process.env.npm_config_registry ?? 'the registry of npm'
  return (
    `jetty: still installing. npm waits for ${registry} or for the disk; a first install takes a minute or two.\n` +
    'jetty: Without a network it fails after minutes. Set a registry that this machine reaches with\n' +
    'jetty: `npm config set registry <url>`, or a proxy in HTTPS_PROXY. Or copy node_modules from a machine of the same kind.'
  )
}
const slowBuild = 'jetty: still building. This takes half a minute on two cores, and needs no network.'

/** Program and arguments of a call of npm. */
export const npm = (...args) =>
  // Under npm its own path is known, and is right where `npm` on the PATH is another one or a shell script.
  process.env.npm_execpath?.endsWith('.js') ? [process.execPath, [process.env.npm_execpath, ...args]] : ['npm', args]

const platform = `${process.platform}-${process.arch} ${process.versions.modules}`

/**
 * Whether somebody's npm already did what `npm ci` would do: npm's own record says the same as the lock. Where only `run` is
 * needed, packages of the tests may be missing, since those that are there are of one consistent tree.
 */
const isInstalled = (set, lock) => {
  const record = readOr(join(root, 'node_modules/.package-lock.json'), undefined)
  if (!record) return false
  const present = JSON.parse(record).packages
  const wanted = JSON.parse(lock).packages
  const isSame = ([path, { version }]) => wanted[path]?.version === version
  const needed = Object.keys({ ...wanted[''].dependencies, ...wanted[''].devDependencies })
  if (set === 'run') {
    return Object.entries(present).every(isSame) && needed.every((name) => present[`node_modules/${name}`])
  }
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional && !present[path]),
  )
}

/**
 * Runs `npm ci` when the lock file, the platform or Node's ABI differ from those of the last install. `run` is what a server
 * is built from and runs with; `all` adds the packages of tests, benchmarks and linter, which are those of the workspace
 * `test`: two fifths of all bytes.
 */
export const install = (set = 'run') => {
  refuseOldNode()
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const facts = `${createHash('sha256').update(lock).digest('hex')} ${platform}`
  const last = readOr(installStamp, '')
  if (last === `${facts} all\n` || (set === 'run' && last === `${facts} run\n`)) return
  const hasAll = existsSync(join(root, 'node_modules/vitest')) // who has run the tests will run them again
  const wanted = hasAll ? 'all' : set
  const samePlatform = last === '' || last.includes(` ${platform}`)
  if (!samePlatform || !isInstalled(wanted, lock)) {
    // --include=dev: NODE_ENV=production would leave the build tools out.
    const options = ['--include=dev', '--no-audit', '--no-fund', ...(wanted === 'run' ? ['--workspaces=false'] : [])]
    runOrExit('installing packages (npm ci)', ...npm('ci', ...options), slowInstall())
  }
  rmSync(installStamp, { force: true }) // a copy of node_modules by hard links has a stamp of its own
  writeFileSync(installStamp, `${facts} ${wanted}\n`)
}

/** Both halves of a build read these. */
const sharedInputs = ['scripts/build.mjs', 'package.json', 'package-lock.json']
const sourceInputs = [
  'src',
  'scripts/bundle.mjs',
  'scripts/compile.mjs',
  'scripts/program-loader.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  ...sharedInputs,
]
/** What the web reads of src: the typed client, the contracts that it follows from, and what these import. */
export const webInputs = [
  ...['web', 'src/client', 'src/model', 'src/http/endpoint.ts', 'src/api'],
  ...['src/lib/errors.ts', 'src/lib/json', 'src/lib/pause.ts', 'src/lib/text/markdown.ts', 'src/lib/time.ts'],
  ...sharedInputs,
]

const filesBelow = (path) => {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (!facts?.isDirectory()) return facts ? [path] : []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)],
  )
}

/** Path, size and time of change of all files, which is fast and misses nothing real. */
const fingerprintOf = (inputs, isRead) => {
  const hash = createHash('sha256')
  for (const path of inputs.flatMap((input) => filesBelow(join(root, input))).sort()) {
    if (/\.test\.tsx?$/.test(path) || !isRead(path)) continue
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path} ${size} ${mtimeMs}\n`)
  }
  return `${hash.digest('hex')} ${process.versions.modules}\n`
}

/**
 * src as JavaScript, for tests. It stands beside src, so that a module finds what is not of src where it finds it from there.
 */
export const compiledFolder = join(root, 'dist.tests')

/** Files in dist that say what each half was built from. */
export const stamps = { source: '.jetty-build', web: '.jetty-build-web' }

const apiFolder = join(root, 'src/api/')

/** Fingerprints of everything that each half of a build reads: a change in one does not build the other. */
export const fingerprints = () => ({
  source: fingerprintOf(sourceInputs, () => true),
  web: fingerprintOf(webInputs, (path) => !path.startsWith(apiFolder) || path.endsWith('contract.ts')),
})

/** Whether dist has this half as its sources are now. */
export const upToDate = (half, wanted) => readOr(join(root, 'dist', stamps[half]), '') === wanted[half]

/** Builds `dist` when a source has changed since it was built. */
export const build = () => {
  const wanted = fingerprints()
  const isBuilt = ['source', 'web'].every((half) => upToDate(half, wanted))
  if (isBuilt && existsSync(join(root, 'dist/bin.js'))) return
  runOrExit('building', process.execPath, [join(root, 'scripts/build.mjs')], slowBuild)
}

/**
 * Continues as another program in this very process: signals, exit code and a kill -9 reach it without a go-between,
 * which could die alone and leave it behind.
 */
export const become = async (file, args) => {
  process.argv = [process.execPath, file, ...args]
  await import(pathToFileURL(file).href)
}
