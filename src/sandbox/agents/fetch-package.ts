import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import type { AgentPackage } from './agent.ts'
import type { System } from './agent-program.ts'

/** Environment variables passed to npm: none holds a secret of the server. npm's own files may hold keys. */
const passed =
  /^(PATH|HOME|USER|LANG|TMPDIR|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|NPM_TOKEN|NODE_AUTH_TOKEN|npm_config_(registry|userconfig|globalconfig|ca|cafile|strict_ssl|proxy|https_proxy|noproxy|fetch_\w+))$/i

/** Timeouts: an unreachable registry fails within seconds, a hanging one within minutes. */
const patience: Readonly<Record<string, string>> = {
  npm_config_fetch_retries: '3',
  npm_config_fetch_retry_mintimeout: '500',
  npm_config_fetch_retry_factor: '3',
  npm_config_fetch_timeout: '60000',
}

/** Characters of npm's output kept for the error. */
const keptLength = 8_000

/** npm of the running Node, else the system's. */
const npmCommand = (): string[] => {
  const bundled = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js')
  return existsSync(bundled) ? [process.execPath, bundled] : ['npm']
}

const installing = ({ name, version }: AgentPackage, cache: string, system: System | undefined): string[] => [
  ...['install', '--no-audit', '--no-fund', '--no-update-notifier', '--omit=dev', '--loglevel=error'],
  '--ignore-scripts', // nothing of the package runs outside a sandbox
  ...['--cache', cache],
  ...(system ? [`--os=${system.os}`, `--cpu=${system.cpu}`, ...(system.os === 'linux' ? ['--libc=glibc'] : [])] : []),
  `${name}@${version}`,
]

/**
 * Installs a package with its dependencies into a folder. Downloads survive an interruption in `cache`. npm compares
 * each file with the registry's hash.
 */
export const fetchPackage = async (
  agentPackage: AgentPackage,
  {
    folder,
    cache,
    system,
    signal,
    npm = npmCommand(),
  }: { folder: string; cache: string; system: System | undefined; signal: AbortSignal; npm?: readonly string[] },
): Promise<void> => {
  await mkdir(folder, { recursive: true })
  // otherwise npm looks for one in parent folders
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n')
  const [program = 'npm', ...before] = npm
  const given = Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name)))
  const child = spawn(program, [...before, ...installing(agentPackage, cache, system)], {
    cwd: folder,
    env: { ...patience, ...given },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    // npm survives a first SIGTERM while it waits for a registry; its cache is written by renames
    killSignal: 'SIGKILL',
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      said = (said + text).slice(-keptLength)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve)
    // A killed npm keeps writing for a moment.
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (!signal.aborted) reject(error.code === 'ENOENT' ? noNpm(error) : error)
    })
  })
  signal.throwIfAborted()
  if (code !== 0) throw failureOf(agentPackage, code, said)
}

const noNpm = (cause: unknown): AppError =>
  new AppError('not_supported', 'Coding agents are installed with npm, but npm is not available', {
    hint: 'Install npm, which is part of Node, or copy the folder of the agent from a machine that has it.',
    cause,
  })

/** npm's errors by code, each with a remedy. */
const failureOf = ({ name, version }: AgentPackage, code: number | null, said: string): AppError => {
  const what = `${name} ${version} could not be installed`
  const words = said
    .replace(/\/\/[^/@\s]+@/g, '//')
    .trim()
    .split('\n')
    .filter((line) => !line.includes('A complete log of this run'))
    .slice(0, 6)
    .join('\n')
  if (/\bENOSPC\b|no space left/i.test(said)) {
    return new AppError('storage_full', `${what}: the disk is full`, {
      hint: 'Free some space, or set JETTY_AGENTS_DIR to a folder on another disk.',
    })
  }
  if (
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|E\w*TIME(D)?OUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/.test(
      said,
    ) ||
    /network timeout|socket hang up/i.test(said)
  ) {
    return new AppError('network_failed', `${what}: the npm registry does not answer`, {
      hint:
        'Install it on a machine with a network: `jetty agents install`, or set npm_config_registry to a mirror. ' +
        'You can copy the folder from a machine like this one into JETTY_AGENTS_DIR.',
    })
  }
  if (/\b(E401|E403|ENEEDAUTH)\b/.test(said)) {
    return new AppError('upstream_failed', `${what}: the npm registry refused the login`, {
      hint: 'Log in to it (`npm login`), or put its token into the .npmrc of the user that jetty runs as.',
    })
  }
  if (/\b(E404|ETARGET|ENOVERSIONS)\b/.test(said)) {
    return new AppError('not_found', `${what}: the npm registry does not have it`, {
      hint: 'Check the registry of npm: `npm config get registry`.',
    })
  }
  if (/\bEINTEGRITY\b/.test(said)) {
    return new AppError('upstream_failed', `${what}: its checksum does not match the registry`, {
      hint: 'Check the registry and proxy of npm, and install it again.',
    })
  }
  return new AppError('upstream_failed', `${what}: npm ended with exit code ${code}: ${words}`)
}
