import { timestamp } from '../../lib/time.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import { stepFailed } from '../../model/runs/step-failed.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import type { StepEventRow } from '../../store/runs/step-events.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { agentLogEvent } from './agent-events.ts'
import type { ShownDefinition } from './definitions.ts'

const plain = (at: Date, level: LogEvent['level'], type: string, message: string): LogEvent => ({
  timestamp: timestamp(at),
  level,
  type,
  step: null,
  activity: null,
  message,
  attributes: {},
})

/** Lists the events of a run before its first step, oldest first. */
export const openingEvents = (run: RunRow): LogEvent[] => {
  if (run.ingested) {
    const message = `Run ${run.trajectory_id} of ${run.name} was ingested from elsewhere as ${run.status}`
    return [plain(run.created_at, 'info', 'run_ingested', message)]
  }
  const created = plain(run.created_at, 'info', 'run_created', `Run ${run.trajectory_id} of ${run.name} accepted`)
  return [created, ...struckOutEvents(run)]
}

/** Makes the event of a run's first execution. */
export const startedEvents = (run: RunRow): LogEvent[] =>
  run.started_at && !run.ingested ? [plain(run.started_at, 'info', 'run_started', 'Run started')] : []

/**
 * Makes the function that moves an event to the start of its run if it is before that. A process takes the times of steps
 * and of the run's end, the database that of the start, and their clocks differ by a millisecond.
 */
export const afterStart = ({ started_at }: RunRow): ((event: LogEvent) => LogEvent) => {
  const first = started_at ? timestamp(started_at) : ''
  return (event) => (event.timestamp < first ? { ...event, timestamp: first } : event)
}

/** Makes the events of a run's end. */
export const closingEvents = (run: RunRow): LogEvent[] => {
  if (!run.ended_at || run.ingested) return []
  const level = run.status === 'failed' ? 'error' : 'info'
  return [afterStart(run)(plain(run.ended_at, level, `run_${run.status}`, run.error ?? `Run ${run.status}`))]
}

/**
 * Lists the events of a run, oldest first. They follow from the run and its steps; only warnings and events of agents
 * (`told`) are stored.
 */
export const logEvents = (
  run: RunRow,
  steps: StepRecord[],
  definition: ShownDefinition,
  told: StepEventRow[] = [],
): LogEvent[] => {
  if (run.ingested) return openingEvents(run)
  const events = openingEvents(run)
  for (const step of steps.filter(isCarried)) events.push(carriedEvent(run, step, definition))
  events.push(...startedEvents(run))
  for (const step of steps) {
    const hasEvents = told.length > 0 && definition.step(step.name).hasEvents
    const during = hasEvents ? told.filter(({ seq }) => seq === step.seq) : []
    if (isCarried(step)) continue
    const ofAgent = during.map((row) => agentLogEvent(row, definition))
    events.push(...stepEvents(step, definition, ofAgent).map(afterStart(run)))
  }
  return [...events, ...closingEvents(run)]
}

export const isCarried = ({ origin }: StepRecord): boolean =>
  origin !== null && (JSON.parse(origin) as { kind: string }).kind === 'rerun'

/** Makes the event of a step that was copied from another run. The copy exists from the run's beginning. */
export const carriedEvent = (run: RunRow, step: StepRecord, definition: ShownDefinition): LogEvent => {
  const origin = JSON.parse(step.origin ?? '{}') as { trajectory_id: string }
  const message = `Step '${step.name}' was carried over from run ${origin.trajectory_id}`
  return {
    ...plain(run.created_at, 'info', 'step_carried', message),
    step: step.name,
    activity: JSON.parse(definition.step(step.name).activity) as string,
    attributes: { origin },
  }
}

/** A rerun knows its parameters only as they were recorded: without secrets. */
const struckOutEvents = (run: RunRow): LogEvent[] => {
  if (!run.params?.includes('"struck_out"')) return []
  const { rerun } = JSON.parse(run.params) as { rerun?: { struck_out?: string[] } }
  return (rerun?.struck_out ?? []).map((name) => {
    const message = `init_params.${name} contains ***; if a secret was masked there, send it again with the rerun`
    return plain(run.created_at, 'warning', 'warning', message)
  })
}

/** The events of one step: its start, its warnings, what an agent did meanwhile, its end. */
export const stepEvents = (step: StepRecord, definition: ShownDefinition, during: LogEvent[] = []): LogEvent[] => {
  const { start, end } = stepEventParts(step, definition)
  return [...start, ...during, ...end]
}

/** Splits the events of a step into those before and those after its agent's. */
export const stepEventParts = (
  step: StepRecord,
  definition: ShownDefinition,
): { start: LogEvent[]; end: LogEvent[] } => {
  const activity = JSON.parse(definition.step(step.name).activity) as string
  const of = (at: Date, level: LogEvent['level'], type: string, message: string): LogEvent => ({
    ...plain(at, level, type, message),
    step: step.name,
    activity,
    attributes: { attempt: step.attempt },
  })
  if (step.status === 'skipped') {
    return { start: [of(step.started_at, 'info', 'step_skipped', `Step '${step.name}' skipped`)], end: [] }
  }
  const started = of(step.started_at, 'info', 'step_started', `Step '${step.name}' started`)
  const start = [started]
  for (const warning of step.warnings ? (JSON.parse(step.warnings) as Partial<LogEvent>[]) : []) {
    const event = { ...of(step.started_at, 'warning', 'warning', ''), ...warning }
    // Warnings of the definition are older than a step that waited for its turn.
    start.push(event.timestamp < started.timestamp ? { ...event, timestamp: started.timestamp } : event)
  }
  if (!step.ended_at) return { start, end: [] }
  if (step.status !== 'failed') {
    return { start, end: [of(step.ended_at, 'info', `step_${step.status}`, `Step '${step.name}' ${step.status}`)] }
  }
  const failure = JSON.parse(step.error ?? '{}') as { message?: string; code?: string; hint?: string | null }
  const message = stepFailed(step.name, failure.message ?? 'the cause is not known')
  const failed = of(step.ended_at, 'error', 'step_failed', message)
  const attributes = { ...failed.attributes, code: failure.code, hint: failure.hint ?? null }
  return { start, end: [{ ...failed, attributes }] }
}
