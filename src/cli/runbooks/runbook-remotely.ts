import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { TrialLeft } from '../../model/collections/trial.ts'
import { isCodingAgent } from '../../model/runbooks/runbook-agents.ts'
import type { RunbookPreflight, RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { RunbookUsage, Verification } from '../../model/runbooks/runbook-run.ts'
import type { Step } from '../../model/runs/step.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import { secretsOf, showStarted } from '../commands/run.ts'
import { exitCodes } from '../exit.ts'
import { askChoice, askText, isAnswered } from '../input/ask.ts'
import { filePart, readInputText } from '../input/inputs.ts'
import { placeText, type RunPlace, type TaskPlace } from '../input/places.ts'
import type { Session } from '../session.ts'
import { followRun } from '../show/follow-run.ts'
import { mayUseTrial, trialText } from '../trial.ts'
import { askMissing, refuse } from './ask-missing.ts'
import { withCommands } from './preflight-text.ts'
import { openResultsFolder, type ResultsFolder, shownPath } from './results-folder.ts'
import { type RunbookOptions, runbookRequest } from './runbook-options.ts'
import { showOutcome } from './runbook-outcome.ts'

export interface RemoteOptions extends RunbookOptions {
  file?: string[]
  secret?: string[]
  results: string
  force?: boolean
  events?: boolean
  collection?: string
  task?: string
  detach?: boolean
}

/** Asks a server to check a runbook. `secrets` are names: the check never sends values. */
export const lookRemotely = async (
  session: Session,
  collection: string,
  { instruction, files, ...request }: RunbookRequest,
  secrets: readonly string[],
): Promise<RunbookPreflight> => {
  const found = await session.client.preflightRunbook({
    body: {
      ...request,
      collection,
      content: instruction,
      file_paths: files,
      secret_names: [...secrets],
      use_trial_keys: await mayUseTrial(session, collection, secrets),
    },
  })
  return withCommands(found, collection)
}

/** `jetty runbook check` on a server. */
export const checkRemotely = async (
  session: Session,
  file: string,
  collection: string,
  options: RunbookOptions & Pick<RemoteOptions, 'secret'>,
): Promise<RunbookPreflight> =>
  lookRemotely(session, collection, await runbookRequest(readInputText(file), options), options.secret ?? [])

/** Executes a runbook on a server, as a run of a task, and downloads the results. */
export const runRemotely = async (session: Session, file: string, options: RemoteOptions): Promise<void> => {
  const { out } = session
  const text = readInputText(file)
  const place = await findPlace(session, options, text)
  const secrets = secretsOf(options.secret ?? [])
  const { request, isScripted } = await prepare(session, place, await runbookRequest(text, options), secrets)
  const paths = await upload(session, place, options.file ?? [])
  // A runbook that calls no model must not use up a run of the trial.
  const borrows = !isScripted && (await mayUseTrial(session, place.collection, Object.keys(secrets)))
  const at = await start(
    session,
    place,
    { ...request, files: paths },
    { secret_params: secrets, use_trial_keys: borrows },
  )
  if (options.detach) return showStarted(session, at, at)
  const results = openResultsFolder(options.results, options.force ?? false)
  if (results.movedTo !== undefined)
    out.note(`The earlier contents of ${options.results} were moved to ${shownPath(results.movedTo)}`)
  out.note(pc.dim(placeText(at)))
  const trajectory = await followRun(session, at, {
    isFromBeginning: true,
    isDetailed: true,
    isEndLeftOut: true,
    onAgent: (event) => options.events && out.print(JSON.stringify(event)),
  })
  await tellEnd(session, at, results, trajectory, options.events ?? false)
}

/**
 * Chooses the collection: from the options, or the home collection of the key. Asks on a terminal for missing parts.
 */
const findPlace = async ({ client }: Session, options: RemoteOptions, text: string): Promise<TaskPlace> => {
  const who = options.collection === undefined ? await client.whoAmI() : undefined
  const collections = who?.collections ?? []
  const collection =
    options.collection ??
    who?.home_collection ??
    (isAnswered() && collections.length > 0
      ? await askChoice('Which collection should it run in?', collections)
      : undefined)
  if (collection === undefined) {
    throw new AppError('invalid', 'The collection to run in is not known', {
      hint: collections.length > 0 ? `Name one with -c: ${collections.join(', ')}` : 'Name a collection with -c.',
    })
  }
  if (options.task !== undefined) return { collection, task: options.task }
  const { readRunbook } = await import('../../sandbox/runbooks/format/runbook.ts')
  const suggested = taskNameOf(/^#\s+(.+)$/m.exec(readRunbook(text).body)?.[1] ?? '')
  if (isAnswered()) return { collection, task: await askText('What is the name of the task?', suggested) }
  throw new AppError('invalid', 'The task of the run is not known', {
    hint: `Name one with -t, for example -t ${suggested}. It is created if it does not exist.`,
  })
}

/** A title as the name of a task. */
const taskNameOf = (title: string): string =>
  title
    .replace(/\s+[—–-]\s+agent runbook\s*$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60) || 'runbook'

const prepare = async (
  session: Session,
  { collection }: TaskPlace,
  request: RunbookRequest,
  secrets: Record<string, string>,
): Promise<{ request: RunbookRequest; isScripted: boolean }> => {
  const look = (asked: RunbookRequest) => lookRemotely(session, collection, asked, Object.keys(secrets))
  const first = await look(request)
  const complete = await askMissing(request, first, (name, value) => {
    secrets[name] = value
  })
  const found = complete === request ? first : await look(complete)
  refuse(session.out, found)
  return { request: complete, isScripted: found.agent !== null && !isCodingAgent(found.agent) }
}

const upload = async ({ client }: Session, { collection }: TaskPlace, paths: string[]): Promise<string[]> => {
  if (paths.length === 0) return []
  const files = await Promise.all(paths.map((path) => filePart('files', path)))
  return (await client.uploadSandboxFiles({ body: { collection }, files })).file_paths
}

interface Started {
  jetty_metadata: { trajectory_id: string; trial?: TrialLeft }
}

/** Starts it the way every client does: a chat completion, whose answer is not waited for. */
const start = async (
  session: Session,
  place: TaskPlace,
  request: RunbookRequest,
  means: { secret_params: Record<string, string>; use_trial_keys: boolean },
): Promise<RunPlace> => {
  const { instruction, prompt, model, files, subscription_credential: _, apt_packages: __, ...rest } = request
  const started = (await session.call('createChatCompletion', {
    body: {
      ...(model ? { model } : {}),
      messages: [
        { role: 'system', content: instruction },
        { role: 'user', content: prompt ?? '' },
      ],
      jetty: { ...rest, ...means, ...place, runbook: true, file_paths: files, timeout_hint: 0 },
    },
    signal: session.signal,
  })) as Started
  const { trajectory_id, trial } = started.jetty_metadata
  if (trial) session.out.note(trialText(trial))
  return { ...place, trajectory_id }
}

interface KeptFile {
  path: string
  relative_path: string
  size: number
  content_type: string
}

const isKept = (file: unknown): file is KeptFile =>
  typeof file === 'object' && file !== null && 'path' in file && 'relative_path' in file

/** The step that carried it out: the last one that has made files. */
const runbookStep = (trajectory: Trajectory): Step | undefined =>
  Object.values(trajectory.steps).findLast(({ activity }) => activity === 'runbook')

const tellEnd = async (
  session: Session,
  at: RunPlace,
  results: ResultsFolder,
  trajectory: Trajectory,
  isStream: boolean,
): Promise<void> => {
  const { out } = session
  const step = runbookStep(trajectory)
  const outputs = step?.outputs ?? {}
  const kept = Array.isArray(outputs.files) ? outputs.files.filter(isKept) : []
  const files = []
  for (const file of kept) files.push({ ...file, path: shownPath(await download(session, results, file)) })
  const isCompleted = trajectory.status === 'completed'
  showOutcome(
    out,
    { ...trajectory, results_folder: results.path },
    {
      name: placeText(at),
      status: trajectory.status,
      failure: isCompleted
        ? null
        : {
            reason: typeof outputs.failure_reason === 'string' ? outputs.failure_reason : null,
            message: trajectory.error ?? trajectory.status,
            hint: step?.error_detail?.hint ?? null,
          },
      verification: (outputs.verification ?? null) as Verification | null,
      usage: (outputs.usage ?? null) as RunbookUsage | null,
      sandbox: typeof outputs.sandbox === 'string' ? outputs.sandbox : null,
      files,
    },
    isStream,
  )
  if (!isCompleted) process.exitCode = exitCodes.failed
}

const download = async ({ client, signal }: Session, results: ResultsFolder, file: KeptFile): Promise<string> => {
  const response = await client.downloadFile({ params: { path: file.path }, signal })
  return results.write(file.relative_path, (response.body ?? []) as unknown as AsyncIterable<Uint8Array>, signal)
}
