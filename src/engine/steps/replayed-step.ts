import { FailedWith, type Json } from '../../activities/activity.ts'
import { AppError, isErrorCode } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Divergence } from '../../model/runs/error-record.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { queryOne, text } from '../../store/database/table.ts'
import type { ProgramStep } from '../program/program.ts'
import type { StepRecording, StepReplay } from './recording.ts'
import { type Resolving, resolveParameters, type ShownParameters } from './resolve.ts'
import type { StepAtWork } from './step-at-work.ts'
import type { StepOutcome } from './step-record.ts'
import type { StepRun } from './step-run.ts'
import { warningEvent } from './step-side.ts'

interface Difference {
  path: string
  recorded: unknown
  replayed: unknown
}

const nothing = Symbol('nothing')

/** Depth first, in the order of the recording; undefined where both are the same JSON, whatever the order of keys. */
const firstDifference = (recorded: unknown, replayed: unknown, path = ''): Difference | undefined => {
  if (isObject(recorded) && isObject(replayed)) {
    for (const key of new Set([...Object.keys(recorded), ...Object.keys(replayed)])) {
      const of = (side: Record<string, unknown>) => (Object.hasOwn(side, key) ? side[key] : nothing)
      const difference = firstDifference(of(recorded), of(replayed), path === '' ? key : `${path}.${key}`)
      if (difference) return difference
    }
    return undefined
  }
  if (Array.isArray(recorded) && Array.isArray(replayed)) {
    for (let at = 0; at < Math.max(recorded.length, replayed.length); at++) {
      const of = (side: unknown[]) => (at < side.length ? side[at] : nothing)
      const difference = firstDifference(of(recorded), of(replayed), `${path}[${at}]`)
      if (difference) return difference
    }
    return undefined
  }
  return isSame(recorded, replayed) ? undefined : { path, recorded, replayed }
}

const isSame = (left: unknown, right: unknown): boolean =>
  left !== nothing && right !== nothing && canonicalJson(left) === canonicalJson(right)

/** Characters of a value that are shown, a third of them before the first that differs. */
const shownCharacters = 240
const diffCharacters = 4_000
/** Maximum differing lines that are compared: the time grows with their square. */
const mostEdits = 400

const differsAt = (left: string, right: string): number => {
  const end = Math.min(left.length, right.length)
  for (let at = 0; at < end; at++) if (left.charCodeAt(at) !== right.charCodeAt(at)) return at
  return end
}

const textOf = (value: unknown): string => (value === nothing ? 'nothing' : JSON.stringify(value))

const excerpt = (text: string, around: number): string => {
  if (text.length <= shownCharacters) return text
  const from = Math.max(0, around - shownCharacters / 3)
  const to = from + shownCharacters
  return `${from > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`
}

/** The lines around the first difference. Undefined if the texts have little in common. */
const linesThatDiffer = async (recorded: string, replayed: string): Promise<string | undefined> => {
  const { createTwoFilesPatch } = await import('diff')
  const around = differsAt(recorded, replayed)
  const from = recorded.lastIndexOf('\n', Math.max(0, around - diffCharacters / 8)) + 1
  const parts = [recorded, replayed].map((text) => text.slice(from, from + diffCharacters))
  // If neither text ends with a line break, its absence is not worth a note.
  const [before = '', after = ''] = parts.some((text) => text.endsWith('\n')) ? parts : parts.map((text) => `${text}\n`)
  const options = { context: 2, maxEditLength: mostEdits }
  const patch = createTwoFilesPatch('recorded', 'replayed', before, after, '', '', options)
  return patch?.slice(patch.indexOf('--- '))
}

/**
 * Describes how inputs or outputs of a step differ from the recording; undefined if they do not. Both are JSON texts as
 * shown, without secrets.
 */
export const divergenceOf = async (
  at: { step: string; in: 'inputs' | 'outputs'; of: string },
  recordedText: string,
  replayedText: string,
): Promise<Divergence | undefined> => {
  if (recordedText === replayedText) return undefined
  const found = firstDifference(JSON.parse(recordedText), JSON.parse(replayedText))
  if (!found) return undefined
  const texts = [textOf(found.recorded), textOf(found.replayed)] as const
  const around = differsAt(...texts)
  const [recorded, replayed] = [excerpt(texts[0], around), excerpt(texts[1], around)]
  const bothText = typeof found.recorded === 'string' && typeof found.replayed === 'string'
  const diff = bothText ? await linesThatDiffer(found.recorded as string, found.replayed as string) : undefined
  const what = at.in === 'inputs' ? 'parameter' : 'output'
  return {
    step: at.step,
    in: at.in,
    message: `${what} '${found.path}' differs from run ${at.of}: it was ${recorded}, and is ${replayed} now`,
    path: found.path,
    recorded,
    replayed,
    ...(diff !== undefined && { diff }),
  }
}

/**
 * Resolves the parameters of a replayed step. Secrets of the recorded run are deleted, and no call needs them. If the
 * result differs from the recording, missing variables count as scrubbed ones.
 */
export const resolveAsRecorded = (
  run: StepRun,
  step: ProgramStep,
  { step: recorded }: StepRecording,
  resolving: Resolving,
): ShownParameters => {
  if (!step.usesEnvironment) return resolveParameters(run, step, resolving)
  const env = (name: string) => run.environment.get(name) ?? '***'
  const struckOut = () => resolveParameters(run, step, { ...resolving, env })
  let resolved: ShownParameters
  try {
    resolved = resolveParameters(run, step, resolving)
  } catch {
    return struckOut()
  }
  return resolved.shown() === recorded?.inputs ? resolved : struckOut()
}

const diverged = (divergence: Divergence): AppError =>
  new AppError('replay_diverged', `The replay diverged: ${divergence.message}`, {
    hint: 'A replay executes nothing that the recording has no result for. Use rerun to execute it.',
    extra: { divergence },
  })

const without = (step: string, message: string): AppError => diverged({ step, in: 'step', message })

/**
 * The recorded outputs of a step, or its recorded failure as an error; undefined where the step is pure and is executed.
 * Throws `replay_diverged` where the recording has no result for these inputs.
 */
export const takeRecorded = async (
  work: StepAtWork,
  recording: StepRecording,
  shown: string,
): Promise<Record<string, Json> | FailedWith | undefined> => {
  const { run, place, row, side } = work
  work.replay = { recording, shown }
  if (place.step.activity.pure) return undefined
  const { name } = place
  const { step: recorded, trajectoryId, task } = recording
  if (!recorded) throw without(name, `step '${name}' was not executed in run ${trajectoryId}`)
  if (recorded.status !== 'completed' && recorded.status !== 'failed') {
    throw without(name, `step '${name}' has no result in run ${trajectoryId}: it is ${recorded.status}`)
  }
  const divergence = await divergenceOf({ step: name, in: 'inputs', of: trajectoryId }, recorded.inputs ?? '{}', shown)
  if (divergence) throw diverged(divergence)
  row.origin = JSON.stringify({ trajectory_id: trajectoryId, task, step: name, kind: 'replay' })
  const failure = recorded.status === 'failed' ? recordedFailure(recorded.error, run) : undefined
  if (failure && recorded.outputs === null) throw failure
  side.warnings = recorded.warnings === null ? [] : (JSON.parse(recorded.warnings) as StepLog[])
  if (failure) return new FailedWith(failure, JSON.parse(recorded.outputs ?? '{}') as Record<string, Json>)
  return JSON.parse(recorded.outputs ?? '{}') as Record<string, Json>
}

interface FailureRecord {
  code?: string
  message?: string
  retryable?: boolean
  hint?: string | null
  cause?: string | null
}

const recordedFailure = (error: string | null, run: StepRun): AppError => {
  const { code, message, retryable, hint, cause } = JSON.parse(error ?? '{}') as FailureRecord
  return new AppError(isErrorCode(code) ? code : 'activity_failed', message ?? `Recorded of run ${run.replayOf}`, {
    ...(retryable !== undefined && { retryable }),
    ...(typeof hint === 'string' && { hint }),
    ...(typeof cause === 'string' && { cause: new Error(cause) }),
  })
}

/** An event that says where the replay first went another way, though it could go on. */
const divergenceEvent = (divergence: Divergence): StepLog => ({
  ...warningEvent(`The replay differs: ${divergence.message}`, { ...divergence }),
  type: 'divergence',
})

/** Notes on a step how it, or the order of steps, differs from the recording. */
export const noteDivergence = async (
  work: StepAtWork,
  replay: StepReplay,
  outcome: StepOutcome,
  end: RunStatus | undefined,
): Promise<void> => {
  const divergence =
    (await differenceOf(work, replay, outcome)) ??
    (end === 'completed' ? await endsEarlier(work, replay.recording) : undefined)
  if (divergence) work.side.warnings.push(divergenceEvent(divergence))
}

const differenceOf = async (
  { place, row }: StepAtWork,
  { recording, shown }: StepReplay,
  { status, outputs, error }: StepOutcome,
): Promise<Divergence | undefined> => {
  const { name: step } = place
  const { step: recorded, trajectoryId, nameHere } = recording
  if (error?.code === 'replay_diverged') return undefined // the error says so itself
  if (nameHere !== undefined && nameHere !== step) {
    return { step, in: 'step', message: `run ${trajectoryId} has step '${nameHere}' in the place of '${step}'` }
  }
  if (!recorded) return { step, in: 'step', message: `step '${step}' was not executed in run ${trajectoryId}` }
  if (row.origin !== null) return undefined
  const of = trajectoryId
  const inputs = await divergenceOf({ step, in: 'inputs', of }, recorded.inputs ?? '{}', shown)
  if (inputs) return inputs
  if (status !== recorded.status) {
    return { step, in: 'status', message: `step '${step}' was ${recorded.status} in run ${of}, and is ${status} now` }
  }
  return outputs === null ? undefined : divergenceOf({ step, in: 'outputs', of }, recorded.outputs ?? '{}', outputs)
}

const recordedStepsLeft = queryOne(
  'recorded_steps_left',
  { name: text },
  `select name from steps s where run_id = $1 and name <> $3
       and not exists (select from steps where run_id = $2 and name = s.name) order by seq limit 1`,
  (replayOf: string | null, key: string, name: string) => [replayOf, key, name],
)

/** A step of the recording that the replay never came to. */
const endsEarlier = async (
  { engine, run, place }: StepAtWork,
  { trajectoryId }: StepRecording,
): Promise<Divergence | undefined> => {
  const left = await recordedStepsLeft(engine.database, run.replayOf, run.key, place.name)
  return (
    left && {
      step: place.name,
      in: 'end',
      message: `the replay ended after '${place.name}', and run ${trajectoryId} has step '${left.name}' as well`,
    }
  )
}
