import { wrongTotals } from '../../kept-totals.ts'
import { type Acked, collection } from './client.ts'
import { fanTask } from './fan.ts'
import { valueAfter } from './pure.ts'
import type { Site, Trace } from './site.ts'
import { standstillsIn } from './standstills.ts'

export interface CheckedRun {
  id: string
  trajectory_id: string
  task: string
  start: number
  status: string
  error: string | null
  deaths: number
  lease: string | null
  ended: number | null
}

export interface CheckedStep {
  run_id: string
  seq: number
  status: string
  attempt: number
  epoch: number
  /** It was executed in another run. */
  carried: boolean
  outputs: { value?: number; pid?: number } | null
  ended: number | null
}

export interface Report {
  runs: number
  steps: number
  effects: number
  /** Effects beyond the first of a step. */
  repeats: number
  /** Steps that a process had begun and never recorded. */
  cutOff: number
  violations: string[]
}

export interface Expectations {
  acked: Acked[]
  /** How many steps the runs of a task have. */
  lengths: Record<string, number>
  /** Processes that died, were frozen, or were stopped before their steps had ended. */
  lost: ReadonlySet<number>
  /** Since when (ms) a process was frozen: what it had begun before takes effect when it thaws, recorded or not. */
  frozen?: ReadonlyMap<number, number>
  /** Status of a run, where it is not `completed`. */
  statusOf?: (run: CheckedRun) => string | undefined
}

/** Runs of the tests' tasks: fan-outs, and those of the server's own tasks, wait for them and do nothing themselves. */
const isOurs = `name like '${collection}/%' and name not like '${collection}/\\_%' and name <> '${collection}/${fanTask}'`

export const runsOf = (site: Site): Promise<CheckedRun[]> =>
  site.rows<CheckedRun>(
    `select id, trajectory_id, split_part(name, '/', 2) task, (init_params::json->>'start')::int "start", status, error,
       deaths, lease, extract(epoch from ended_at)::float8 * 1000 ended
     from runs where ${isOurs} order by number`,
  )

export const recordedSteps = (site: Site): Promise<CheckedStep[]> =>
  site.rows<CheckedStep>(
    `select run_id, seq, status, attempt, epoch, origin is not null carried, outputs::json outputs, extract(epoch from ended_at)::float8 * 1000 ended
     from steps where run_id in (select id from runs where ${isOurs}) order by run_id, seq`,
  )

export const keyOf = ({ run, seq }: { run: string; seq: number }): string => `${run}/${seq}`

const grouped = <T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

/** Compares what clients were promised, what was recorded, and what was done outside; see `violations`. */
export const check = async (site: Site, expected: Expectations): Promise<Report> => {
  const runs = await runsOf(site)
  const steps = await recordedSteps(site)
  const effects = grouped(site.traces('effects'), keyOf)
  const begins = grouped(site.traces('begins'), keyOf)
  const recorded = new Map(steps.map((step) => [keyOf({ run: step.run_id, seq: step.seq }), step]))
  const stepsOf = grouped(steps, (step) => step.run_id)
  const stood = new Map([...standstillsIn(site.folder)].filter(([pid]) => !expected.frozen?.has(pid)))
  const lost = new Set([...expected.lost, ...stood.keys()])
  const frozen = new Map([...stood, ...(expected.frozen ?? [])])
  const violations = [
    ...lostRuns(runs, expected.acked),
    ...runs.flatMap((run) => faultsOfRun(run, stepsOf.get(run.id) ?? [], expected)),
    ...steps.flatMap((step) => {
      const key = keyOf({ run: step.run_id, seq: step.seq })
      const wasFrozen = ({ pid }: Trace) =>
        begins.get(key)?.some((begin) => begin.pid === pid && begin.ms <= (frozen.get(pid) ?? 0)) ?? false
      return faultsOfStep(step, effects.get(key) ?? [], wasFrozen)
    }),
    ...[...begins.values()].flatMap((group) => faultsOfBegins(group, lost, stood)),
    ...(await wrongTotals((text) => site.rows(text))).map((what) => `C9: the totals are wrong: ${what}`),
  ]
  let effectCount = 0
  for (const group of effects.values()) effectCount += group.length
  const repeats = effectCount - effects.size
  const isCutOff = (begin: Trace) => lost.has(begin.pid) && recorded.get(keyOf(begin))?.outputs?.pid !== begin.pid
  const cutOff = [...begins.values()].flat().filter(isCutOff).length
  if (repeats > cutOff) violations.push(`C5: ${repeats} repeats, but only ${cutOff} steps were cut off`)
  return { runs: runs.length, steps: steps.length, effects: effectCount, repeats, cutOff, violations }
}

/** C1: what was answered with a 2xx is there. */
const lostRuns = (runs: CheckedRun[], acked: Acked[]): string[] => {
  const known = new Map(runs.map((run) => [run.trajectory_id, run]))
  return acked
    .filter(({ trajectoryId, start }) => known.get(trajectoryId)?.start !== start)
    .map(({ trajectoryId }) => `C1: run ${trajectoryId} was acknowledged and is lost`)
}

/** C2, C8: an end, the expected one, with steps from 0 on without a gap. */
const faultsOfRun = (run: CheckedRun, steps: CheckedStep[], { statusOf, lengths }: Expectations): string[] => {
  const faults: string[] = []
  const wanted = statusOf?.(run) ?? 'completed'
  if (run.ended === null) faults.push(`C2: run ${run.id} has not ended, it is ${run.status}`)
  else if (run.status !== wanted) faults.push(`run ${run.id} is ${run.status}, not ${wanted}: ${run.error}`)
  const length = lengths[run.task] ?? 0
  if (steps.some((step, at) => step.seq !== at)) faults.push(`C8: run ${run.id} has a gap in its steps`)
  if (run.status === 'completed' && steps.length !== length) {
    faults.push(`C8: run ${run.id} is completed with ${steps.length} of ${length} steps`)
  }
  if (run.ended !== null && steps.some((step) => step.ended === null)) {
    faults.push(`run ${run.id} has ended with a step that has not`)
  }
  for (const step of steps) {
    if (step.status !== 'completed') continue
    const right = valueAfter(run.start, step.seq)
    if (step.outputs?.value !== right)
      faults.push(`C6: ${run.id}/${step.seq} put out ${step.outputs?.value}, not ${right}`)
  }
  return faults
}

/** C3, C4: a recorded step was executed, and never again after it was recorded; a carried one was not at all. */
const faultsOfStep = (step: CheckedStep, effects: Trace[], wasFrozen: (effect: Trace) => boolean): string[] => {
  if (step.status !== 'completed' || step.ended === null) return []
  const faults: string[] = []
  const name = keyOf({ run: step.run_id, seq: step.seq })
  if (step.carried) return effects.map(({ pid }) => `C4: ${name} was carried over, and executed by ${pid}`)
  if (effects.length === 0) faults.push(`C3: ${name} is completed without an effect`)
  const ended = Math.round(step.ended)
  for (const late of effects.filter((effect) => effect.ms > ended && !wasFrozen(effect))) {
    faults.push(`C4: ${name} was executed by ${late.pid} ${late.ms - ended} ms after it was recorded`)
  }
  if (effects.length > 0 && !effects.some((effect) => effect.pid === step.outputs?.pid)) {
    faults.push(`${name} was recorded by ${step.outputs?.pid}, which had no effect`)
  }
  return faults
}

/** C5: a step begins again only after the process that had begun it was lost, never twice in one that went on. */
const faultsOfBegins = (begins: Trace[], lost: ReadonlySet<number>, stood: ReadonlyMap<number, number>): string[] => {
  const faults: string[] = []
  const pids = new Set(begins.map((begin) => begin.pid))
  const [first] = begins
  const name = first ? keyOf(first) : ''
  if (pids.size < begins.length && !begins.some(({ pid }) => stood.has(pid))) {
    faults.push(`C5: ${name} began twice in one process`)
  }
  for (const begin of begins.slice(0, -1)) {
    if (!lost.has(begin.pid)) faults.push(`C5: ${name} began again although process ${begin.pid} lived`)
  }
  return faults
}

/** What is committed right now and how far the effects are: later effects must not be of these steps. */
export interface Moment {
  committed: Set<string>
  bytes: number
}

export const momentOf = async (site: Site): Promise<Moment> => {
  const rows = await site.rows<{ run: string; seq: number }>(
    'select run_id run, seq from steps where ended_at is not null',
  )
  return { committed: new Set(rows.map(keyOf)), bytes: site.effectBytes() }
}
