import type { Queries } from '../../database/database.ts'
import { batched } from '../../lib/batch.ts'
import type { EngineContext, LiveRun, StepResult } from '../context.ts'
import type { ProgramStep } from '../program/program.ts'

interface Wanted {
  runKey: string
  seq: number
}

interface ResultRow {
  run_id: string
  seq: number
  inputs: string | null
  outputs: string | null
  status: string
  error: string | null
}

/** Reads records of steps. Many resumed runs ask at the same time: they share a query. */
export const makeResultReader = (database: Queries): EngineContext['results'] => {
  const read = batched(async (wanted: Wanted[]): Promise<(StepResult | undefined)[]> => {
    const rows = await database.rows<ResultRow>(
      'step_results',
      `select s.run_id, s.seq, coalesce(s.inputs, i.body) inputs, coalesce(s.outputs, o.body) outputs, s.status, s.error
       from unnest($1::text[], $2::int[]) w(run_id, seq) join steps s on s.run_id = w.run_id and s.seq = w.seq
       left join payloads i on i.id = s.inputs_payload left join payloads o on o.id = s.outputs_payload`,
      [wanted.map((one) => one.runKey), wanted.map((one) => one.seq)],
    )
    const found = new Map(rows.map((row) => [`${row.run_id} ${row.seq}`, row]))
    return wanted.map((one) => found.get(`${one.runKey} ${one.seq}`))
  }, 200)
  return (runKey, seq) => read({ runKey, seq })
}

/** The earlier steps that a step reads and that are not in memory. */
export const missingResults = (run: LiveRun, step: ProgramStep): number[] =>
  step.dependsOn
    .map((name) => run.program.indexOf.get(name) ?? -1)
    .filter((index) => !run.results.has(index) && seqOf(run, index) !== undefined)

/** Where the latest record of a step is; undefined where there is none that has results. */
const seqOf = ({ course }: LiveRun, index: number): number | undefined => {
  if (!course) return index
  const latest = course.latest.get(index)
  return latest === 'skipped' ? undefined : latest
}

/** Why a step has nothing that could be read; undefined where it has. */
export const absenceOf = ({ course, program }: LiveRun, name: string): string | undefined => {
  const index = program.indexOf.get(name)
  if (!course || index === undefined) return undefined
  const latest = course.latest.get(index)
  return latest === 'skipped'
    ? `step '${name}' was skipped`
    : latest === undefined
      ? `step '${name}' has not run yet`
      : undefined
}

/** Brings earlier steps' records back into memory, after a restart. */
export const loadResults = async (engine: EngineContext, run: LiveRun, indexes: number[]): Promise<void> => {
  const results = await Promise.all(indexes.map((index) => engine.results(run.key, seqOf(run, index) ?? -1)))
  indexes.forEach((index, at) => {
    const result = results[at]
    if (result) {
      const { inputs, outputs, status, error } = result
      run.results.set(index, { inputs, outputs, status, error })
    }
  })
}

/** What a path that starts with a step's name reads: parsed when it is first asked for. */
export const sectionsOf = (run: LiveRun, name: string): unknown => {
  const index = run.program.indexOf.get(name)
  const isSkipped = index !== undefined && run.course?.latest.get(index) === 'skipped'
  const result = index === undefined || isSkipped ? undefined : run.results.get(index)
  if (index === undefined) return undefined
  if (!result) {
    return isSkipped ? { config: run.program.steps[index]?.config ?? {}, status: 'skipped', error: null } : undefined
  }
  result.value ??= {
    inputs: parse(result.inputs),
    outputs: parse(result.outputs),
    config: run.program.steps[index]?.config ?? {},
    status: result.status,
    error: (parse(result.error) as { message?: string } | null)?.message ?? null,
  }
  return result.value
}

const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text))
