import { createReadStream, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { contentTypeOf, extensionOf } from '../../lib/files/media-type.ts'
import { newTrajectoryId } from '../../lib/ids.ts'
import type { Secret } from '../../lib/secrets/secret-finder.ts'
import type { FileSource } from '../../model/file-source.ts'
import { providerKeyNames } from '../../model/gateway/provider-keys.ts'
import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { NewAgentEvent, ResultFile, RunbookOutcome, RunbookPlace } from '../../model/runbooks/runbook-run.ts'
import type { LocalRunbooks } from '../../server/local/local-runbooks.ts'
import { exitCodes } from '../exit.ts'
import { fileReason } from '../input/file-problems.ts'
import { readInputText } from '../input/inputs.ts'
import type { Session } from '../session.ts'
import { type CommandOutput, duration } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'
import { makeAgentState } from './agent-state.ts'
import { agentEventText } from './agent-text.ts'
import { askMissing, refuse } from './ask-missing.ts'
import { type LocalVariables, readLocalVariables } from './local-variables.ts'
import { withCommands } from './preflight-text.ts'
import { openResultsFolder, type ResultsFolder, shownPath } from './results-folder.ts'
import { type RunbookOptions, runbookRequest } from './runbook-options.ts'
import { showOutcome } from './runbook-outcome.ts'

interface RunbookProgress {
  tell(event: NewAgentEvent): void
  /** Removes the progress line. */
  stop(): void
}

/** Shows an agent's activity on stderr, with a progress line in a terminal. */
const makeRunbookProgress = (out: CommandOutput): RunbookProgress => {
  const begun = Date.now()
  const agent = makeAgentState()
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${agent.text()} ${pc.dim(duration((Date.now() - begun) / 1000))}`, 60)
  return {
    tell(event) {
      agent.tell(event)
      const text = agentEventText(event)
      if (text === undefined) return
      line?.clear()
      out.note(text)
    },
    stop: () => line?.stop(),
  }
}

export interface LocalOptions extends RunbookOptions {
  file?: string[]
  secret?: string[]
  results: string
  force?: boolean
  events?: boolean
}

/** Loads the code that executes runbooks on this machine, only when needed. */
export const openHere = async (sandbox: string | undefined): Promise<LocalRunbooks> => {
  const [{ loadSettings }, { createLogger }, { openLocalRunbooks }] = await Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../lib/log.ts'),
    import('../../server/local/local-runbooks.ts'),
  ])
  const settings = loadSettings({ ...process.env, ...(sandbox === undefined ? {} : { JETTY_SANDBOX: sandbox }) })
  const level = process.env.JETTY_LOG_LEVEL ? settings.logLevel : 'fatal' // errors are reported by the command
  return openLocalRunbooks(settings, createLogger({ level }))
}

/** Fires at Ctrl-C and at SIGTERM. */
const endingSignal = (session: Session): AbortSignal => {
  const ending = new AbortController()
  for (const name of ['SIGTERM', 'SIGHUP'] as const) process.once(name, () => ending.abort())
  return AbortSignal.any([session.signal, ending.signal])
}

/** Environment of a runbook on this machine. */
export const placeHere = (
  variables: LocalVariables,
  secretParams: readonly string[],
  inputs: readonly string[],
): RunbookPlace => ({ env: variables.get, secretParams, hasFile: async (path) => inputs.includes(path) })

/** Completes the request on a terminal; throws when something is missing. */
const prepare = async (
  session: Session,
  runbooks: LocalRunbooks,
  request: RunbookRequest,
  variables: LocalVariables,
  secretParams: readonly string[],
): Promise<RunbookRequest> => {
  const place = placeHere(variables, secretParams, request.files ?? [])
  const first = await runbooks.preflight(request, place)
  const complete = await askMissing(request, first, variables.set)
  const found = complete === request ? first : await runbooks.preflight(complete, place)
  refuse(session.out, withCommands(found))
  return complete
}

/** Runs a runbook on this machine, without a server. */
export const runLocally = async (session: Session, file: string, options: LocalOptions): Promise<void> => {
  const { out } = session
  const text = readInputText(file)
  const variables = readLocalVariables(file)
  const secretParams = (options.secret ?? []).map((name) => requireVariable(name, variables))
  const inputs = (options.file ?? []).map(requireFile)
  const asked = await runbookRequest(text, options, inputs)
  const runbooks = await openHere(options.sandbox)
  try {
    const request = await prepare(session, runbooks, asked, variables, secretParams)
    const results = openResultsFolder(options.results, options.force ?? false)
    if (results.movedTo !== undefined)
      out.note(`The earlier contents of ${options.results} were moved to ${shownPath(results.movedTo)}`)
    const progress = makeRunbookProgress(out)
    const signal = endingSignal(session)
    const outcome = await runbooks
      .carryOut(request, {
        id: `local-${newTrajectoryId()}`,
        env: variables.get,
        secrets: await secretsOf(text, variables, secretParams),
        secretParams,
        openFile: async (path) => openInput(path, inputs),
        keep: (source, keepAs) => keep(results, source, keepAs),
        tell(event) {
          progress.tell(event)
          if (options.events) out.print(JSON.stringify({ at: new Date().toISOString(), ...event }))
        },
        signal,
      })
      .finally(progress.stop)
    tellEnd(session, file, results, outcome, options.events ?? false)
    if (outcome.failure) process.exitCode = signal.aborted ? exitCodes.interrupted : exitCodes.failed
  } finally {
    await runbooks.close()
  }
}

const tellEnd = (
  { out }: Session,
  file: string,
  results: ResultsFolder,
  outcome: RunbookOutcome,
  isStream: boolean,
): void => {
  const status =
    outcome.failure === null ? 'completed' : outcome.failure.reason === 'cancelled' ? 'cancelled' : 'failed'
  const { results_dir: _, ...rest } = outcome
  const data = { status, success: outcome.failure === null, results_folder: results.path, ...rest }
  const files = outcome.files.map((one) => ({ ...one, path: shownPath(one.path) }))
  showOutcome(out, data, { ...outcome, name: file, status, files }, isStream)
}

const requireVariable = (name: string, variables: LocalVariables): string => {
  if (variables.get(name)) return name
  throw new AppError('invalid', `--secret ${name}: ${name} is neither an environment variable nor in .env`, {
    hint: name.includes('=')
      ? 'Give only the name. The value is read from the environment, where other users cannot see it.'
      : `Set it first, for example: read -rs ${name} && export ${name}`,
  })
}

export const requireFile = (path: string): string => {
  try {
    if (!statSync(path).isFile()) throw new Error('it is not a file')
    return resolve(path)
  } catch (error) {
    throw new AppError('invalid', `${path} cannot be sent: ${fileReason(error)}`)
  }
}

/** Opens an input; only files given with --file. */
const openInput = (path: string, inputs: readonly string[]): FileSource => {
  if (!inputs.includes(path)) throw new AppError('not_found', `The run has no input ${path}`)
  return {
    name: basename(path),
    content_type: contentTypeOf(path),
    size: statSync(path).size,
    open: () => createReadStream(path),
  }
}

const keep = async (results: ResultsFolder, source: FileSource, keepAs: string): Promise<ResultFile> => {
  const path = await results.write(keepAs, source.open())
  return {
    path,
    name: source.name,
    extension: extensionOf(source.name),
    content_type: source.content_type,
    size: statSync(path).size,
    relative_path: keepAs,
  }
}

/** Values to scrub: keys, secrets that the runbook or caller names, and everything in `.env`. */
const secretsOf = async (
  text: string,
  variables: LocalVariables,
  secretParams: readonly string[],
): Promise<Secret[]> => {
  const { readRunbook } = await import('../../sandbox/runbooks/format/runbook.ts')
  const declared = readRunbook(text).secrets.map(({ env }) => env)
  const named = [...providerKeyNames, ...declared, ...secretParams].flatMap((name): Secret[] => {
    const value = variables.get(name)
    return value === undefined ? [] : [[name, value]]
  })
  return [...named, ...variables.fromFiles()]
}
