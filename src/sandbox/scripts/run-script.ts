import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { sandboxKinds } from '../../model/runbooks/sandbox.ts'
import type { RunScript, ScriptHost, ScriptOutcome, ScriptRequest } from '../../model/scripts/script-run.ts'
import type { OpenProxy, SandboxProxy } from '../gateway/open-proxy.ts'
import { type WalkLimits, walkResults } from '../isolation/files/walk-results.ts'
import type { Sandbox, SandboxExit, SandboxLimits, SandboxProvider } from '../isolation/sandbox.ts'
import { sandboxId } from '../runbooks/carry-out.ts'
import { baseEnvironment } from '../runbooks/environment.ts'
import type { Places } from '../runbooks/places.ts'
import { keepResults } from '../runbooks/results/keep-results.ts'
import { inputVariables, languages } from './languages.ts'
import { trustCertificates } from './own-certificates.ts'
import { packageFolder } from './packages/install-packages.ts'
import { readPackages } from './packages/package-names.ts'
import type { PackageStore } from './packages/package-store.ts'
import { makePrinted } from './printed.ts'
import { putFiles } from './put-files.ts'
import { outputName, readScriptResult } from './script-result.ts'

export interface ScriptDeps {
  provider: Pick<SandboxProvider, 'name' | 'create'>
  openProxy: OpenProxy
  places: Places
  packages: PackageStore
  /** Certificate authorities that this server trusts beside the public ones, as PEM. */
  certificates?: string | undefined
  limits: SandboxLimits
  /** Time limit of scripts that name none. */
  seconds: number
  /** Files that are kept of one script. */
  results: WalkLimits
}

/** Refuses a kind of sandbox that isolates nothing: a script could read the keys of the server. */
export const requireIsolation = ({ name }: Pick<SandboxProvider, 'name'>): void => {
  if (sandboxKinds[name].isolates) return
  throw new AppError('sandbox_unavailable', `Scripts do not run with JETTY_SANDBOX=${name}, which isolates nothing`, {
    hint: 'Set JETTY_SANDBOX to bubblewrap (Linux), docker or podman.',
  })
}

interface Scripts {
  run: RunScript
  /** Resolves when the sandboxes of all scripts that have ended are removed. */
  removed(): Promise<void>
}

/**
 * Runs scripts: slot, sandbox, files, program, results. The outcome does not wait until the sandbox is removed; the slot does,
 * so that scripts are not faster than their removal.
 */
export const makeScriptRunner = (deps: ScriptDeps): Scripts => {
  const removals = new Set<Promise<void>>()
  const run: RunScript = async (request, host) => {
    requireIsolation(deps.provider)
    const set = readPackages(request.language, request.packages)
    const give = await takePlace(deps.places, host)
    let removal = Promise.resolve()
    try {
      const agentFolder = set && (await deps.packages.ensure(set, host.signal))
      const spec = { id: sandboxId(host.id), limits: deps.limits, signal: host.signal }
      const sandbox = await deps.provider.create({ ...spec, ...(agentFolder !== undefined && { agentFolder }) })
      try {
        if (set) await showPackages(sandbox, packageFolder(set.language))
        return await inSandbox(deps, request, host, sandbox)
      } finally {
        removal = sandbox.destroy() // its program has ended
      }
    } finally {
      const end = () => {
        removals.delete(removed)
        give()
      }
      const removed = removal.then(end, end)
      removals.add(removed)
    }
  }
  return { run, removed: async () => void (await Promise.all(removals)) }
}

/** Programs look for packages in the folder of the script and above. */
const showPackages = ({ folders, places }: Sandbox, name: string): Promise<void> =>
  symlink(`${places.agent}/${name}`, join(folders.app, name))

/** Waits for a place without holding a slot of the engine. */
const takePlace = async (places: Places, { owner, signal, waiting }: ScriptHost): Promise<() => void> => {
  let goOn: (() => Promise<void>) | undefined
  const give = await places.take(owner, signal, () => {
    goOn = waiting()
  })
  try {
    await goOn?.()
    return give
  } catch (error) {
    give()
    throw error
  }
}

const inSandbox = async (
  deps: ScriptDeps,
  request: ScriptRequest,
  host: ScriptHost,
  sandbox: Sandbox,
): Promise<ScriptOutcome> => {
  await putFiles(sandbox, request, host, deps.limits.diskBytes)
  const proxy = request.network.length > 0 ? await openProxyOf(deps, request, host, sandbox) : undefined
  try {
    const printed = makePrinted(host)
    const exit = await sandbox.run({
      argv: languages[request.language].argv(sandbox.places),
      env: {
        ...(proxy && (await trustCertificates(sandbox, deps.certificates))),
        ...environmentOf(request, sandbox, proxy),
      },
      cwd: sandbox.places.app,
      network: proxy ? 'gateway' : 'none',
      wallMs: (request.seconds ?? deps.seconds) * 1000,
      signal: host.signal,
      onOutput: (stream, chunk) => printed[stream].write(chunk),
    })
    return await outcomeOf(deps, request, host, sandbox, { exit, printed, refusedHosts: proxy?.refusedHosts() ?? [] })
  } finally {
    await proxy?.close()
  }
}

const openProxyOf = async (
  { openProxy }: ScriptDeps,
  { network }: ScriptRequest,
  { allowedHosts, signal }: ScriptHost,
  sandbox: Sandbox,
): Promise<SandboxProxy> => {
  const socket = join(sandbox.folders.gateway, 'gateway.sock')
  const proxy = await openProxy({ socket, hosts: network, allowedHosts: await allowedHosts(), signal })
  await sandbox.own(socket)
  return proxy
}

const environmentOf = (
  { language, inputs, env, packages }: ScriptRequest,
  { places }: Sandbox,
  proxy: SandboxProxy | undefined,
): Record<string, string> => ({
  ...baseEnvironment(places.home),
  ...(language === 'shell' && inputVariables(inputs)),
  ...env,
  JETTY_INPUTS: `${places.app}/inputs.json`,
  JETTY_OUTPUT: `${places.app}/${outputName}`,
  JETTY_FILES: places.uploads,
  JETTY_RESULTS: places.results,
  ...(language === 'python' && packages.length > 0 && { JETTY_PACKAGES: `${places.agent}/${packageFolder(language)}` }),
  ...proxy?.env,
})

interface Ended {
  exit: SandboxExit
  printed: ReturnType<typeof makePrinted>
  refusedHosts: readonly string[]
}

/** Reads what the script has left. Nothing in the sandbox is alive any more. */
const outcomeOf = async (
  deps: ScriptDeps,
  request: ScriptRequest,
  host: ScriptHost,
  { folders }: Sandbox,
  { exit, printed, refusedHosts }: Ended,
): Promise<ScriptOutcome> => {
  const warnings: string[] = []
  const files = await keepFiles(deps, host, join(folders.app, 'results'), warnings)
  const [stdout, stderr] = [printed.stdout.end(), printed.stderr.end()]
  for (const [name, { isCut }] of Object.entries({ stdout, stderr })) {
    if (isCut) warnings.push(`Only the last 64 KiB of ${name} are kept; write long outputs to a file in results/`)
  }
  const isOverPids = exit.reason === 'exit' && exit.code !== 0 && (exit.refusedProcesses ?? 0) > 0
  const { memoryBytes, diskBytes, outputBytes, pids } = deps.limits
  return {
    end: isOverPids ? 'process_limit' : exit.reason,
    exitCode: exit.code,
    result: await readScriptResult(folders.app),
    stdout: stdout.text,
    stderr: stderr.text,
    files,
    warnings: warnings.map(host.scrub),
    refusedHosts,
    durationMs: exit.durationMs,
    sandbox: deps.provider.name,
    limits: { seconds: request.seconds ?? deps.seconds, memoryBytes, diskBytes, outputBytes, pids },
  }
}

const keepFiles = async (
  { results: limits }: ScriptDeps,
  host: ScriptHost,
  folder: string,
  warnings: string[],
): Promise<ScriptOutcome['files']> => {
  const results = { files: [], notKept: [], warnings: [], report: undefined } as Parameters<
    typeof keepResults
  >[0]['results']
  for await (const found of walkResults(folder, limits)) {
    if (found.kind === 'file') results.files.push(found)
    else results.warnings.push(found.message)
  }
  if (results.files.length + results.warnings.length === 0) return []
  const { kept } = await keepResults({ results, declared: { primary: [], manifest: [], unclear: [] } }, undefined, {
    host,
    tell: (event) => event.type === 'warning' && warnings.push(event.message),
    scrub: host.scrub,
  })
  return kept.results_files
}
