import { type ObjectMembers, objectText, WrittenJson } from '../../lib/json/object-text.ts'
import type { Pieces } from '../../lib/slices.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import { eventActivity } from '../../model/events/event.ts'
import { usageOfRun } from '../../model/gateway/model-totals.ts'
import { approvalActivity } from '../../model/runs/approval.ts'
import type { ErrorRecord } from '../../model/runs/error-record.ts'
import { placementLabels } from '../../model/runs/placement.ts'
import type { Step, StepLog, StepSpan, StepSummary } from '../../model/runs/step.ts'
import { type AttemptAttributes, attemptsAmong, type StepAttempt } from '../../model/runs/step-attempts.ts'
import type { CallTokens, StepUsage } from '../../model/runs/step-usage.ts'
import type { Trajectory, TrajectorySummary } from '../../model/runs/trajectory.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import type { Queries } from '../../store/database/database.ts'
import type { WholeRun } from '../../store/runs/payloads.ts'
import type { RunSummaryRow, StepSummaryRow } from '../../store/runs/run-lists.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { endsOfSteps } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import type { ShownDefinition } from './definitions.ts'
import type { LiveStep } from './live-steps.ts'
import { waitingOf } from './waiting.ts'

/** First divergence of a replay from its recording, from its steps; null for none. */
const firstDivergence = (steps: StepRecord[]): unknown => {
  for (const { error, warnings } of steps) {
    const event = warnings?.includes('"divergence"') && eventIn(warnings)
    if (event) return event
    const divergence =
      error?.includes('"replay_diverged"') && (JSON.parse(error) as { divergence?: unknown }).divergence
    if (divergence) return divergence
  }
  return null
}

const eventIn = (warnings: string): unknown =>
  (JSON.parse(warnings) as { type: string; attributes: unknown }[]).find(({ type }) => type === 'divergence')
    ?.attributes

/** Adds `params.replay.divergence` to a replay; returns any other run unchanged. */
export const withDivergence = (run: RunRow, steps: StepRecord[]): RunRow => {
  if (!run.params?.includes('"replay"')) return run
  const params = JSON.parse(run.params) as { replay?: Record<string, unknown> }
  if (!params.replay) return run
  return {
    ...run,
    params: JSON.stringify({ ...params, replay: { ...params.replay, divergence: firstDivergence(steps) } }),
  }
}

type TimedStep = Omit<StepRecord, 'inputs' | 'outputs' | 'changed'>

/** Computes the time at which a step could have begun; null for a step that is skipped, copied, or recorded from a trace. */
export type ReadyTimes = (step: TimedStep) => Date | null

const later = (one: Date, other: Date | undefined): Date => (other && other > one ? other : one)

const placesBefore = ({ seq, name }: TimedStep, definition: ShownDefinition): readonly number[] =>
  definition.isParallel ? definition.step(name).after : seq > 0 ? [seq - 1] : []

const makeReadyTimes =
  (created: Date, definition: ShownDefinition, endOf: (seq: number) => Date | null | undefined): ReadyTimes =>
  (step) => {
    if (step.status === 'skipped' || step.span !== null || originKind(step) === 'rerun') return null
    const ready = placesBefore(step, definition).reduce((at, seq) => later(at, endOf(seq) ?? undefined), created)
    const isLate = ready > step.started_at // by the clock of another process
    return isLate ? step.started_at : ready
  }

/** When the steps of a run could have begun, from all of its steps. */
const readyTimes = (run: { created_at: Date }, steps: TimedStep[], definition: ShownDefinition): ReadyTimes => {
  const ends = new Map(steps.map(({ seq, ended_at }) => [seq, ended_at]))
  return makeReadyTimes(run.created_at, definition, (seq) => ends.get(seq))
}

/** The same for some steps of a run; reads when the steps before them ended. */
export const readyTimesOf = async (
  queries: Queries,
  run: { id: string; created_at: Date },
  steps: TimedStep[],
  definition: ShownDefinition,
): Promise<ReadyTimes> => {
  const before = [...new Set(steps.flatMap((step) => placesBefore(step, definition)))]
  const ends = before.length === 0 ? new Map<number, Date>() : await endsOfSteps(queries, run.id, before)
  return makeReadyTimes(run.created_at, definition, (seq) => ends.get(seq))
}

const originKind = ({ origin }: TimedStep): string | undefined =>
  origin === null ? undefined : (JSON.parse(origin) as { kind?: string }).kind

const recordedAttempts = (step: TimedStep): AttemptAttributes[] => {
  // the warnings of a copy describe attempts of another run
  const isCopied = step.origin !== null && originKind(step) !== 'rerun'
  return isCopied || step.warnings === null ? [] : attemptsAmong(JSON.parse(step.warnings) as StepLog[])
}

/** The attempts of a step that has several; undefined otherwise. */
export const shownAttempts = (step: TimedStep): StepAttempt[] | undefined => {
  if (step.attempt === 1) return undefined
  const recorded = recordedAttempts(step)
  const earlier = recorded
    .filter(({ attempt }) => attempt < step.attempt)
    .map(({ attempt: n, started, ended, error_detail }): StepAttempt => ({ n, started, ended, error_detail }))
  const started =
    recorded.find(({ attempt }) => attempt === step.attempt)?.started ??
    recorded.find(({ attempt }) => attempt === step.attempt - 1)?.next_started
  if (!started) return earlier.length > 0 ? earlier : undefined
  const error = step.error === null ? null : (JSON.parse(step.error) as ErrorRecord)
  return [...earlier, { n: step.attempt, started, ended: timestampOrNull(step.ended_at), error_detail: error }]
}

/** Step activities whose waits have a name of their own, as the JSON texts that a definition shows. */
const waitsOf = new Map([
  [JSON.stringify(approvalActivity), 'approval'],
  [JSON.stringify(eventActivity), 'event'],
  [JSON.stringify('list_emit_await'), 'runs'],
] as const)

/** A wait without an end is due that late. */
const farAway = Date.UTC(9000, 0)

/** Describes the wait of a step; undefined if it does not wait. */
const waitOf = (step: TimedStep, definition: ShownDefinition): Step['wait'] => {
  if (step.wake_at === null || step.ended_at !== null || step.status !== 'running') return undefined
  const due = timestamp(step.wake_at)
  const last = step.attempt > 1 ? recordedAttempts(step).at(-1) : undefined
  if (last && last.next_at === due && last.next_started === null) return { for: 'retry', until: due }
  const { activity, isRunbook } = definition.step(step.name)
  if (isRunbook) return { for: 'sandbox', until: null }
  if (isWorkerActivity(JSON.parse(activity))) return { for: 'worker', until: null }
  const isOpenEnded = step.wake_at.getTime() >= farAway
  const kind = waitsOf.get(activity) ?? (isOpenEnded ? 'batch' : 'time')
  const isKnown = !isOpenEnded && step.wake_at > step.started_at
  return { for: kind, until: isKnown && (kind !== 'runs' || step.wake_at.getTime() > now()) ? due : null }
}

/**
 * Writes the trajectory document piece by piece. Inputs and outputs are stored as JSON text and are copied, not parsed, so
 * that a list of long runs costs little more than reading it.
 */
export function* trajectoryPieces(
  run: WholeRun,
  steps: StepRecord[],
  definition: ShownDefinition,
  publicUrl: string,
  live?: ReadonlyMap<number, LiveStep>,
): Pieces<string> {
  const outline = yield* outlinePieces(withDivergence(run, steps), steps, definition, publicUrl, (step, beside) =>
    stepText(run, step, definition, { ...beside, ...live?.get(step.seq) }),
  )
  return objectText<Trajectory>({
    ...outline,
    init_params: new WrittenJson(run.init_params),
    step_configs: new WrittenJson(definition.stepConfigs),
  })
}

/** Writes a run for a list that people look at, piece by piece: no inputs, outputs or configs. */
export function* summaryPieces(
  run: RunSummaryRow,
  steps: StepSummaryRow[],
  definition: ShownDefinition,
  publicUrl: string,
): Pieces<string> {
  const outline = yield* outlinePieces(run, steps, definition, publicUrl, (step, beside) =>
    stepSummaryText(step, definition, beside),
  )
  return objectText<TrajectorySummary>(outline)
}

/** Facts of a step that come from other rows, or are known already. */
interface BesideStep extends LiveStep {
  readyAt: Date | null
  /** The step's usage where it is parsed already. */
  used?: StepUsage | undefined
}

/** Writes a step without its values, origin and messages. */
export const stepSummaryText = (step: StepSummaryRow, definition: ShownDefinition, beside: BesideStep): string =>
  objectText<StepSummary>(stepHead(step, definition, beside))

/** Steps that are written at once: a millisecond. */
const stepsInPiece = 100

/** The members that a document and a summary share, piece by piece: 10,000 steps keep the thread for 150 ms together. */
export function* outlinePieces<Row extends StepSummaryRow>(
  run: RunSummaryRow,
  steps: Row[],
  definition: ShownDefinition,
  publicUrl: string,
  textOf: (step: Row, beside: Pick<BesideStep, 'readyAt' | 'used'>) => string,
): Pieces<Omit<ObjectMembers<TrajectorySummary>, 'steps'> & { steps: WrittenJson }> {
  const readyAt = readyTimes(run, steps, definition)
  const used: (StepUsage | undefined)[] = []
  const members: string[] = []
  for (let from = 0; from < steps.length; from += stepsInPiece) {
    if (from > 0) yield
    const piece = steps.slice(from, from + stepsInPiece).map((step) => {
      const usage = usageOf(step)
      used.push(usage)
      return `${JSON.stringify(step.name)}:${textOf(step, { readyAt: readyAt(step), used: usage })}`
    })
    // Joined at once: kept apart, the many parts of each text would be collected as garbage for as long as they are written.
    members.push(piece.join(','))
  }
  return {
    ...identityOf(run),
    status: run.status,
    waiting: waitingOf(run),
    runs_on: run.runs_on ? { labels: placementLabels(run.runs_on), servers: run.servers ?? null } : undefined,
    attributes: {
      asset_type: 'trajectory',
      asset_filename: `${run.trajectory_id}.json`,
      created: timestamp(run.created_at),
      params: run.params === null ? {} : (JSON.parse(run.params) as Record<string, unknown>),
    },
    created: timestamp(run.created_at),
    updated: timestamp(run.ended_at ?? lastChange(steps) ?? run.started_at ?? run.created_at),
    started: timestampOrNull(run.started_at),
    ended: timestampOrNull(run.ended_at),
    duration_seconds: secondsBetween(run.started_at, run.ended_at),
    author: run.author,
    recorded_by: run.recorded_by,
    metadata_uri: '',
    steps: new WrittenJson(`{${members.join(',')}}`),
    labels: new WrittenJson(run.labels),
    total_steps: new WrittenJson(definition.totalSteps),
    completed_steps: completedNames(steps, definition),
    error_detail: new WrittenJson((run.status === 'failed' && run.refusal) || 'null'),
    org_id: null,
    error: run.error,
    triggered_by_routine_id: run.routine_id,
    webhook_url: run.webhook_url,
    trial: run.trial ?? null,
    url: trajectoryUrl(run, publicUrl),
    task_version: run.version,
    version_number: run.version_number,
    ...usageOfRun(used),
  }
}

const usageOf = ({ usage }: StepSummaryRow): StepUsage | undefined =>
  usage === null ? undefined : (JSON.parse(usage) as StepUsage)

const callTokens = ({ cost_usd: _, ...tokens }: StepUsage): CallTokens => tokens

/** In the order in which they completed. */
const completedNames = (steps: StepSummaryRow[], { isParallel }: ShownDefinition): string[] => {
  const completed = steps.filter((step) => step.status === 'completed')
  if (isParallel) completed.sort((one, other) => Number(one.ended_at) - Number(other.ended_at))
  return completed.map((step) => step.name)
}

/** The last time a step began or ended. Steps do not change in their order. */
const lastChange = (steps: StepSummaryRow[]): Date | undefined => {
  let last: Date | undefined
  for (const { started_at, ended_at } of steps) {
    const at = ended_at ?? started_at
    if (!last || at > last) last = at
  }
  return last
}

/** Writes one step of the document; also the data of a `step` event. */
export const stepText = (run: RunRow, step: StepRecord, definition: ShownDefinition, beside: BesideStep): string =>
  objectText<Step>(stepMembers(run, step, definition, beside))

/** The members of a step. */
export const stepMembers = (
  run: RunRow,
  step: StepRecord,
  definition: ShownDefinition,
  beside: BesideStep,
): ObjectMembers<Step> => {
  const copied = step.origin === null ? {} : (JSON.parse(step.origin) as Partial<Step['origin']>)
  return {
    ...stepHead(step, definition, beside),
    author: run.author,
    recorded_by: run.recorded_by,
    origin: { task: run.name, task_version: run.version, ...copied },
    inputs: new WrittenJson(step.inputs ?? '{}'),
    outputs: new WrittenJson(step.outputs ?? '{}'),
    config: new WrittenJson(definition.step(step.name).config),
    logs: step.warnings ? new WrittenJson(step.warnings) : undefined,
  }
}

const stepHead = (
  step: StepSummaryRow,
  definition: ShownDefinition,
  { readyAt, progress, job, batches, used = usageOf(step) }: BesideStep,
): ObjectMembers<StepSummary> => {
  const { activity, dependsOn, decidedBy } = definition.step(step.name)
  return {
    activity: step.span === null ? new WrittenJson(activity) : (JSON.parse(step.span) as StepSpan).kind,
    key: step.name,
    status: step.status,
    error: step.error === null ? null : (JSON.parse(step.error) as { message: string }).message,
    created: timestamp(step.started_at),
    ended: timestampOrNull(step.ended_at),
    duration_seconds: secondsBetween(step.started_at, step.ended_at),
    attempt: step.attempt,
    depends_on: new WrittenJson(dependsOn),
    decided_by: decidedBy === undefined ? undefined : new WrittenJson(decidedBy),
    progress,
    job,
    batches,
    error_detail: step.error ? new WrittenJson(step.error) : undefined,
    ready_at: timestampOrNull(readyAt),
    wait: waitOf(step, definition),
    attempts: shownAttempts(step),
    usage: used && callTokens(used),
    cost_usd: used?.cost_usd,
    span: step.span === null ? undefined : new WrittenJson(step.span),
  }
}

/** The names and ids that every answer about a run carries. */
export const identityOf = (run: Pick<RunRow, 'name' | 'trajectory_id' | 'workflow_id'>) => {
  const [collection = '', task = ''] = run.name.split('/')
  return {
    name: run.name,
    trajectory_id: run.trajectory_id,
    workflow_id: run.workflow_id,
    collection,
    task,
    storage_path: `${run.name}/0000`,
  }
}

/** Makes the address of the run's page in the web UI. */
export const trajectoryUrl = (run: { name: string; trajectory_id: string }, publicUrl: string): string =>
  `${publicUrl}/${run.name}/${run.trajectory_id}`

/** Seconds from one time to the other, at least 0. */
export const secondsBetween = (from: Date | null, to: Date | null): number | null =>
  from && to ? Math.max(0, (to.getTime() - from.getTime()) / 1000) : null
