import type { Queries } from '../database/database.ts'
import { batched } from '../lib/batch.ts'
import type { EngineContext, LiveRun, StepResult } from './context.ts'

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

/** Brings earlier steps' records back into memory, after a restart or when they were too large to keep. */
export const loadResults = async (engine: EngineContext, run: LiveRun, seqs: number[]): Promise<void> => {
  const results = await Promise.all(seqs.map((seq) => engine.results(run.key, seq)))
  seqs.forEach((seq, at) => {
    const result = results[at]
    if (result) {
      const { inputs, outputs, status, error } = result
      run.results.set(seq, { inputs, outputs, status, error })
    }
  })
}

/** What a path that starts with a step's name reads: parsed when it is first asked for. */
export const sectionsOf = (run: LiveRun, name: string): unknown => {
  const seq = run.program.seqOf.get(name)
  const result = seq === undefined ? undefined : run.results.get(seq)
  if (!result || seq === undefined) return undefined
  result.value ??= {
    inputs: parse(result.inputs),
    outputs: parse(result.outputs),
    config: run.program.steps[seq]?.config ?? {},
    status: result.status,
    error: (parse(result.error) as { message?: string } | null)?.message ?? null,
  }
  return result.value
}

const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text))
