import { randomBytes } from 'node:crypto'
import { lstat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { distinctFileNames } from '../../lib/files/file-names.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { traceVariables } from '../../lib/text/trace-context.ts'
import { inside, sandboxKinds } from '../../model/runbooks/sandbox.ts'
import type {
  CheckScript,
  RunScript,
  ScriptHost,
  ScriptLanguage,
  ScriptOutcome,
  ScriptRequest,
} from '../../model/scripts/script-run.ts'
import type { OpenProxy, SandboxProxy } from '../gateway/open-proxy.ts'
import { type WalkLimits, walkResults } from '../isolation/files/walk-results.ts'
import type { Sandbox, SandboxExit, SandboxLimits, SandboxProvider } from '../isolation/sandbox.ts'
import { sandboxId } from '../runbooks/carry-out.ts'
import { baseEnvironment } from '../runbooks/environment.ts'
import { makeLines } from '../runbooks/output-lines.ts'
import { keepResults } from '../runbooks/results/keep-results.ts'
import type { RunbookSlots } from '../runbooks/runbook-slots.ts'
import { makeTail } from '../runbooks/tail.ts'
import { inputVariables, languages } from './languages.ts'
import { trustCertificates } from './own-certificates.ts'
import { packageFolder, readPackages } from './packages/install-packages.ts'
import type { PackageStore } from './packages/package-store.ts'

const keptCharacters = 64 * 1024
const longestLine = 16 * 1024

const asItIs = (line: string): string => line

/** What a script prints: the last part of each output, without secrets, also those of several lines. */
export const makePrinted = ({ scrubStream, printed }: Pick<ScriptHost, 'scrubStream' | 'printed'>) => {
  const output = (stream: 'stdout' | 'stderr') => {
    const tail = makeTail(keptCharacters)
    const clean = scrubStream()
    let total = 0
    const lines = makeLines(longestLine, asItIs, (shown) => {
      total += shown.length
      tail.add(shown)
      printed(stream, shown)
    })
    return {
      write: (chunk: Buffer) => lines.write(clean.push(chunk)),
      end(): { text: string; isCut: boolean } {
        lines.write(clean.rest())
        lines.end()
        return { text: tail.text(), isCut: total > keptCharacters }
      },
    }
  }
  return { stdout: output('stdout'), stderr: output('stderr') }
}

/** Name of the file that holds the result. */
const outputName = 'output.json'

/** Maximum bytes of the result: more would keep the server from other work while it is read. */
const mostResultBytes = 32 * 1024 ** 2

const isMissing = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => false,
    () => true,
  )

/**
 * Reads the result that a script has left in its folder. The folder is hostile: links are not followed, and the file may be
 * of any size and kind. Call it when nothing in the sandbox is alive.
 */
const readScriptResult = async (app: string): Promise<ScriptOutcome['result']> => {
  if (await isMissing(join(app, outputName))) return { text: null }
  const limits = { files: 1, bytes: Number.MAX_SAFE_INTEGER, first: [outputName], entries: 0 }
  for await (const found of walkResults(app, limits)) {
    if (found.kind !== 'file' || found.path !== outputName) continue
    if (found.size > mostResultBytes) {
      return {
        problem: `it has ${byteSize(found.size)}, of at most ${byteSize(mostResultBytes)}; write a file to results/`,
      }
    }
    return readText(found.open())
  }
  return { problem: 'it is not a readable file' }
}

const readText = async (body: AsyncIterable<Uint8Array>): Promise<ScriptOutcome['result']> => {
  const bytes = await readWhole(body).catch(() => undefined)
  if (!bytes) return { problem: 'its bytes cannot be read' }
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  if (text.trim() === '') return { text: null }
  if (isDeeperThan(text, maxJsonDepth)) return { problem: `it is nested deeper than ${maxJsonDepth} levels` }
  try {
    JSON.parse(text)
    return { text }
  } catch (error) {
    return { problem: (error as Error).message }
  }
}

const tooMuch = (limit: number): AppError =>
  new AppError('too_large', `The files of the script have more than ${byteSize(limit)} in total`, {
    hint: 'Give the script fewer files, or raise JETTY_SCRIPT_DISK_BYTES.',
  })

/** Writes the script, its inputs and copies of its files into a sandbox in which nothing has run yet. */
const putFiles = async (
  sandbox: Pick<Sandbox, 'put' | 'places'>,
  { language, code, inputs, files }: Pick<ScriptRequest, 'language' | 'code' | 'inputs' | 'files'>,
  { openFile, signal }: Pick<ScriptHost, 'openFile' | 'signal'>,
  mostBytes: number,
): Promise<void> => {
  let bytes = 0
  async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      signal.throwIfAborted()
      bytes += chunk.length
      if (bytes > mostBytes) throw tooMuch(mostBytes)
      yield chunk
    }
  }
  const sources = await Promise.all(files.map(openFile))
  if (sources.reduce((sum, { size }) => sum + size, 0) > mostBytes) throw tooMuch(mostBytes)
  const names = distinctFileNames(sources.map(({ name }) => name))
  const list = sources.map(({ content_type, size }, at) => ({
    ...{ name: names[at], path: `${sandbox.places.uploads}/${names[at]}`, content_type, size },
  }))
  await Promise.all([
    sandbox.put(`${inside.app}/${languages[language].file}`, code),
    sandbox.put(`${inside.app}/inputs.json`, inputs),
    sandbox.put(`${inside.app}/files.json`, JSON.stringify(list)),
  ])
  for (const [at, source] of sources.entries())
    await sandbox.put(`${inside.uploads}/${names[at]}`, counted(source.open()))
}

export interface ScriptDeps {
  provider: Pick<SandboxProvider, 'name' | 'create'>
  openProxy: OpenProxy
  places: RunbookSlots
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
const requireIsolation = ({ name }: Pick<SandboxProvider, 'name'>): void => {
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
const takePlace = async (places: RunbookSlots, { owner, signal, waiting }: ScriptHost): Promise<() => void> => {
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
        ...environmentOf(request, host, sandbox, proxy),
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
  { trace }: ScriptHost,
  { places }: Sandbox,
  proxy: SandboxProxy | undefined,
): Record<string, string> => ({
  ...baseEnvironment(places.home),
  ...traceVariables(trace),
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

interface CheckDeps {
  provider: Pick<SandboxProvider, 'name' | 'create'>
  limits: SandboxLimits
}

const longestMs = 30_000

/** Starts the interpreter of a language in a sandbox. */
const tryLanguage = async ({ provider, limits }: CheckDeps, language: ScriptLanguage): Promise<void> => {
  const { probe, remedy } = languages[language]
  const sandbox = await provider.create({ id: `try-${process.pid}-${randomBytes(4).toString('hex')}`, limits })
  try {
    const { reason, code } = await sandbox.run({
      argv: probe(sandbox.places),
      env: baseEnvironment(sandbox.places.home),
      cwd: sandbox.places.app,
      network: 'none',
      wallMs: longestMs,
      signal: new AbortController().signal,
      onOutput() {},
    })
    if (reason === 'exit' && code === 0) return
    throw new AppError('sandbox_unavailable', `There is no ${language} in the sandboxes of this server`, {
      hint: remedy,
    })
  } finally {
    await sandbox.destroy()
  }
}

/** Makes the check before a run. A success is remembered; a failure is looked at again, as it may be mended meanwhile. */
export const makeCheckScript = (deps: CheckDeps): CheckScript => {
  const tried = new Map<ScriptLanguage, Promise<void>>()
  return async ({ language = 'shell' }) => {
    requireIsolation(deps.provider)
    const trying = tried.get(language) ?? tryLanguage(deps, language)
    tried.set(language, trying)
    await trying.catch((error) => {
      tried.delete(language)
      throw error
    })
  }
}
