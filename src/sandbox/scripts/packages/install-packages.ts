import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '../../../lib/errors.ts'
import { type PackageLanguage, packageFault, type ScriptLanguage } from '../../../model/scripts/script-run.ts'
import type { OpenProxy } from '../../gateway/open-proxy.ts'
import type { Sandbox, SandboxExit, SandboxLimits, SandboxPlaces, SandboxProvider } from '../../isolation/sandbox.ts'
import { baseEnvironment } from '../../runbooks/environment.ts'
import { makeTail } from '../../runbooks/tail.ts'
import { trustCertificates } from '../own-certificates.ts'

/** Pinned packages of one language. */
export interface PackageSet {
  language: PackageLanguage
  /** In the order of their names. */
  packages: readonly string[]
  /** Names the set: equal sets have equal ids. */
  id: string
}

/**
 * Reads the packages of a script; undefined if it has none. Only exact versions of a registry: ranges would change what a
 * script does, and addresses would let it choose where the server fetches from.
 */
export const readPackages = (language: ScriptLanguage, packages: readonly string[]): PackageSet | undefined => {
  const fault = packageFault(language, packages)
  if (fault) throw new AppError('parameter_invalid', fault.message, { hint: fault.hint })
  if (packages.length === 0 || language === 'shell') return undefined
  const sorted = [...new Set(packages)].sort()
  const id = createHash('sha256')
    .update(`${language}\n${sorted.join('\n')}`)
    .digest('hex')
    .slice(0, 32)
  return { language, packages: sorted, id: `${language}-${id}` }
}

export interface InstallDeps {
  provider: Pick<SandboxProvider, 'create'>
  openProxy: OpenProxy
  /** Base URL of the npm registry, and of the PyPI index. */
  registries: Readonly<Record<PackageLanguage, string>>
  /** Certificate authorities that this server trusts beside the public ones, as PEM. */
  certificates?: string | undefined
}

interface Installer {
  /** Folder below `/app` that it fills. */
  folder: string
  /** Host folder with its program, if the sandbox does not have it. */
  program?: string | undefined
  argv(places: SandboxPlaces, packages: readonly string[]): string[]
  env(registry: string): Record<string, string>
  /** Hosts that serve files of the registry, beside its own. */
  hosts: readonly string[]
}

/** npm of the running Node. */
const npmFolder = (): string | undefined => {
  const folder = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm')
  return existsSync(folder) ? folder : undefined
}

const installers: Readonly<Record<PackageLanguage, Installer>> = {
  javascript: {
    folder: 'node_modules',
    get program() {
      return npmFolder()
    },
    argv: ({ tools, agent }, packages) => [
      ...[`${tools}/node`, `${agent}/bin/npm-cli.js`, 'install', '--ignore-scripts', '--no-audit', '--no-fund'],
      ...['--no-update-notifier', '--no-bin-links', '--omit=dev', '--loglevel=error', ...packages],
    ],
    env: (registry) => ({ npm_config_registry: registry, npm_config_fetch_retries: '2' }),
    hosts: [],
  },
  python: {
    folder: 'site',
    argv: (_, packages) => [
      ...['uv', 'pip', 'install', '--target', 'site', '--python', 'python3', '--only-binary', ':all:'],
      ...['--no-progress', '--no-config', ...packages],
    ],
    env: (registry) => ({ UV_DEFAULT_INDEX: registry, UV_PYTHON_DOWNLOADS: 'never', UV_LINK_MODE: 'copy' }),
    hosts: ['files.pythonhosted.org'],
  },
}

/** Folder of a language's packages, below the folder that scripts see. */
export const packageFolder = (language: PackageLanguage): string => installers[language].folder

const limits: SandboxLimits = {
  memoryBytes: 1024 ** 3,
  pids: 512,
  cpus: 2,
  diskBytes: 1024 ** 3,
  diskFiles: 100_000,
  outputBytes: 8 * 1024 ** 2,
}
const longestMs = 300_000
const notFound = 127

const missing = (language: PackageLanguage): AppError =>
  language === 'python'
    ? new AppError(
        'not_supported',
        'Python packages are installed with uv, and the sandboxes of this server have none',
        {
          hint: 'Install uv into /usr/local/bin, or with Docker or Podman into the image of the sandboxes.',
        },
      )
    : new AppError('not_supported', 'The Node of this server has no npm, which installs npm packages', {
        hint: 'Run the server with a Node that comes with npm.',
      })

const failed = ({ packages }: PackageSet, { reason, code }: SandboxExit, said: string): AppError => {
  const words = said
    .trim()
    .split('\n')
    .filter((line) => !line.includes('A complete log of this run'))
    .slice(0, 8)
    .join('\n')
  const how = reason === 'exit' ? `exit code ${code}` : reason.replaceAll('_', ' ')
  return new AppError('activity_failed', `${packages.join(', ')} cannot be installed (${how}): ${words}`, {
    hint: 'Check the names and versions, and that the server reaches the registry.',
    retryable: /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|TIMEDOUT|timed out|\b50[234]\b/i.test(said),
  })
}

/**
 * Installs packages in a sandbox that reaches only their registry, and gives its folder to `take` when nothing in it is
 * alive. Scripts of packages do not run, and what could run is in the sandbox.
 */
export const installPackages = async (
  deps: InstallDeps,
  set: PackageSet,
  signal: AbortSignal,
  take: (folder: string) => Promise<void>,
): Promise<void> => {
  const { folder, program, argv } = installers[set.language]
  if (set.language === 'javascript' && program === undefined) throw missing('javascript')
  const id = `packages-${process.pid}-${randomBytes(4).toString('hex')}`
  const sandbox = await deps.provider.create({
    id,
    limits,
    signal,
    ...(program !== undefined && { agentFolder: program }),
  })
  try {
    await sandbox.put('/app/package.json', '{ "private": true }\n')
    const { exit, said } = await runInstaller(deps, set, sandbox, argv(sandbox.places, set.packages), signal)
    if (exit.reason === 'exit' && exit.code === notFound) throw missing(set.language)
    if (exit.reason !== 'exit' || exit.code !== 0) throw failed(set, exit, said)
    await take(join(sandbox.folders.app, folder))
  } finally {
    await sandbox.destroy()
  }
}

const runInstaller = async (
  { openProxy, registries, certificates }: InstallDeps,
  { language }: PackageSet,
  sandbox: Sandbox,
  argv: string[],
  signal: AbortSignal,
): Promise<{ exit: SandboxExit; said: string }> => {
  const registry = new URL(registries[language])
  const { env, hosts } = installers[language]
  const socket = join(sandbox.folders.gateway, 'gateway.sock')
  // The operator chose the registry, so it may be a private one.
  const port = Number(registry.port || (registry.protocol === 'https:' ? 443 : 80))
  const trusted = [{ kind: 'host' as const, host: registry.hostname, port }]
  const proxy = await openProxy({ socket, hosts: [registry.host, ...hosts], trusted, allowedHosts: undefined, signal })
  try {
    await sandbox.own(socket)
    const trust = await trustCertificates(sandbox, certificates)
    const said = makeTail(8_000)
    const exit = await sandbox.run({
      argv,
      env: { ...baseEnvironment(sandbox.places.home), ...env(registry.href), ...proxy.env, ...trust },
      cwd: sandbox.places.app,
      network: 'gateway',
      wallMs: longestMs,
      signal,
      onOutput: (_, chunk) => said.add(chunk.toString()),
    })
    return { exit, said: said.text() }
  } finally {
    await proxy.close()
  }
}
