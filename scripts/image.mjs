// `npm run image`: makes a container image of the server with Podman or Docker. It needs no image registry: unless
// --base names an image, the base is a Debian that mmdebstrap makes from packages.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { npm, root } from './prepare.mjs'

const usage = `npm run image -- [options]

  --tag <name>       name of the image (default: localhost/jetty-server:<version>)
  --base <image>     a Debian or Ubuntu image to build on, such as docker.io/library/debian:trixie-slim
                     (default: a Debian made from packages with mmdebstrap; needs no registry)
  --engine <program> podman or docker (default: the first that is installed)
  --arch <name>      x64 or arm64 (default: that of this machine)
  --package <file>   the packed server (default: npm run package makes it)`

/** Programs of the image beside Node: what sandboxes, agents and their work need. */
const packages = 'bubblewrap,ca-certificates,catatonit,curl,git,jq,python3-minimal,python3-venv'
const release = 'trixie'
/** Manuals and translations, which nothing in the image shows: 70 MB. Licences stay. */
const leftOut = [
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
]
/** Node and npm of the image. Agents are installed with this npm. */
const nodeVersion = '24.21.0'
const npmVersion = '11.19.1'

const fail = (message) => {
  console.error(`jetty: ${message}`)
  process.exit(1)
}

const runOrExit = (file, args, options = {}) => {
  const { status, error } = spawnSync(file, args, { stdio: ['ignore', 2, 2], ...options })
  if (status !== 0) fail(`${file} ${args[0]} failed${error ? `: ${error.message}` : ` (exit code ${status})`}`)
}

const isThere = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0

const readOptions = () => {
  const text = { type: 'string' }
  const options = { tag: text, base: text, engine: text, arch: text, package: text, help: { type: 'boolean' } }
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return fail(`${error.message}\n\n${usage}`)
  }
}

/** Installs packages as a Linux machine would have them, whatever this machine is. */
const installInto = (folder, arch, wanted) => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const options = ['--omit=dev', '--ignore-scripts', '--os=linux', `--cpu=${arch}`, '--libc=glibc', '--prefer-offline']
  runOrExit(...npm('install', ...options, '--no-audit', '--no-fund', ...wanted), { cwd: folder })
}

const packed = (folder) => {
  runOrExit(process.execPath, [join(root, 'scripts/package.mjs'), '--pack-destination', folder], { cwd: root })
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
}

/** Makes the folder `usr` that the image gets: Node, npm and the server with its packages. */
const fillContext = (context, { arch, package: given }) => {
  const draft = join(context, 'draft')
  mkdirSync(draft)
  const tarball = given ? resolve(given) : packed(draft)
  installInto(join(draft, 'server'), arch, [tarball])
  installInto(join(draft, 'tools'), arch, [`node-linux-${arch}@${nodeVersion}`, `npm@${npmVersion}`])
  const local = join(context, 'usr/local')
  mkdirSync(join(local, 'bin'), { recursive: true })
  mkdirSync(join(local, 'lib/node_modules'), { recursive: true })
  const tools = join(draft, 'tools/node_modules')
  cpSync(join(tools, `node-linux-${arch}`, 'bin/node'), join(local, 'bin/node'))
  renameSync(join(tools, 'npm'), join(local, 'lib/node_modules/npm'))
  renameSync(join(draft, 'server'), join(local, 'lib/jetty'))
  const links = {
    jetty: '../lib/jetty/node_modules/jetty-server/dist/bin.js',
    npm: '../lib/node_modules/npm/bin/npm-cli.js',
    npx: '../lib/node_modules/npm/bin/npx-cli.js',
  }
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(local, 'bin', name))
  rmSync(draft, { recursive: true })
}

/** A Debian with the programs of the image, as an image of the engine. */
const debianBase = (engine, context, arch) => {
  if (!isThere('mmdebstrap')) fail('--base names no image, and mmdebstrap is missing: apt install mmdebstrap')
  const archive = join(context, 'base.tar')
  const foreign = arch === process.arch ? [] : [`--architectures=${arch === 'x64' ? 'amd64' : arch}`]
  const apt = ['--aptopt=Acquire::Retries "5"', ...leftOut.map((option) => `--dpkgopt=${option}`)]
  const options = ['--quiet', '--variant=minbase', `--include=${packages}`, ...foreign, ...apt]
  runOrExit('mmdebstrap', [...options, release, archive])
  const tag = `localhost/jetty-base:${release}`
  runOrExit(engine, ['import', archive, tag])
  rmSync(archive)
  return tag
}

/**
 * Podman gives each step of a build more open files and processes than an ordinary limit allows. Raising a limit needs a right
 * that a container of a CI system may lack, so this names the limits that are there.
 */
const limitOptions = () => {
  if (!existsSync('/proc/self/limits')) return []
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const rows = { nofile: /^Max open files +\S+ +(\d+)/m, nproc: /^Max processes +\S+ +(\d+)/m }
  return Object.entries(rows).flatMap(([name, row]) => {
    const most = Math.min(Number(row.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY), 1_048_576)
    return ['--ulimit', `${name}=${most}:${most}`]
  })
}

process.umask(0o022) // another user reads these files in the image
const options = readOptions()
if (options.help) {
  console.log(usage)
  process.exit(0)
}
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const engine = options.engine ?? ['podman', 'docker'].find(isThere)
if (!engine) fail('no container engine was found: apt install podman')
const arch = options.arch ?? process.arch
const tag = options.tag ?? `localhost/jetty-server:${version}`
const context = mkdtempSync(join(tmpdir(), 'jetty-image-'))
process.on('exit', () => rmSync(context, { recursive: true, force: true })) // also after `fail`, which skips `finally`
fillContext(context, { ...options, arch })
const base = options.base ?? debianBase(engine, context, arch)
const file = join(root, 'deploy/Containerfile')
// Docker's format has health checks, which that of the OCI lacks. Docker itself writes no other.
const forPodman = engine.endsWith('docker') ? [] : ['--format', 'docker', ...limitOptions()]
runOrExit(engine, ['build', ...forPodman, '--build-arg', `BASE=${base}`, '--file', file, '--tag', tag, context])
console.log(tag)
