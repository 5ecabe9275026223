import type { ActivityContext, ReadValue } from '../activities/activity.ts'
import { AppError } from '../lib/errors.ts'
import type { EngineContext, LiveRun } from './context.ts'
import { type Path, parsePath, readPath } from './paths.ts'

interface ReadRow {
  trajectory_id: string
  status: string
  init_params: string | null
  /** JSON: the asked steps of the run, in the order of execution. */
  steps: { name: string; status: string; inputs: string | null; outputs: string | null; error: string | null }[]
}

/** Runs in one question, and text of their steps that is taken in at once, roughly. */
const runsAtOnce = 250

/**
 * Runs of a collection by their trajectory ids, each with those of its steps that are asked for; a step of a loop is
 * found by the name it has in the workflow. Large texts are read too: a question is for few runs at a time.
 */
const readStatement = `
  select r.trajectory_id, r.status,
    case when $4 then coalesce(r.init_params, (select body from payloads where id = r.init_params_payload)) end init_params,
    coalesce((
      select json_agg(json_build_object('name', s.name, 'status', s.status,
          'inputs', case when $5 then coalesce(s.inputs, (select body from payloads where id = s.inputs_payload)) end,
          'outputs', coalesce(s.outputs, (select body from payloads where id = s.outputs_payload)),
          'error', s.error) order by s.seq)
      from steps s where s.run_id = r.id and ($3::text[] is null or regexp_replace(s.name, '__[0-9]+$', '') = any($3))
    ), '[]') steps
  from runs r where r.trajectory_id = any($2::text[]) and r.collection_id = $1 and not r.ingested`

const rowsOf = async (
  engine: EngineContext,
  collectionId: number,
  asked: { ids: string[]; steps: string[] | null; initParams: boolean; inputs: boolean },
): Promise<Map<string, ReadRow>> => {
  const rows = await engine.database.rows<ReadRow>('read_runs', readStatement, [
    collectionId,
    asked.ids,
    asked.steps,
    asked.initParams,
    asked.inputs,
  ])
  return new Map(rows.map((row) => [row.trajectory_id, row]))
}

const pathOf = (text: string): Path => {
  const path = parsePath(text)
  if (path) return path
  throw new AppError('parameter_invalid', `'${text}' is not a path; expected something like step.outputs.text`)
}

/** What a run's paths are read from: its `init_params` and its steps, each parsed once. */
const documentOf = (row: ReadRow): ((root: string) => unknown) => {
  const parsed = new Map<string, unknown>()
  const look = (root: string): unknown => {
    if (root === 'init_params') return row.init_params === null ? undefined : JSON.parse(row.init_params)
    // Of a step in a loop its latest turn.
    const step = row.steps.findLast(({ name }) => name === root || name.replace(/__\d+$/, '') === root)
    return (
      step && {
        inputs: step.inputs === null ? null : JSON.parse(step.inputs),
        outputs: step.outputs === null ? null : JSON.parse(step.outputs),
        status: step.status,
        error: step.error === null ? null : (JSON.parse(step.error) as { message: string }).message,
      }
    )
  }
  return (root) => {
    if (!parsed.has(root)) parsed.set(root, look(root))
    return parsed.get(root)
  }
}

const readOne = (row: ReadRow | undefined, collection: string, id: string, paths: Path[]): ReadValue[] => {
  if (!row) {
    return paths.map(() => ({ found: false, reason: `there is no run '${id}' in collection '${collection}'` }))
  }
  const document = documentOf(row)
  return paths.map((path) => {
    const root = document(path.root)
    if (root === undefined) {
      return { found: false, reason: `the run has no step '${path.root}'; it is ${row.status}` }
    }
    const reading = readPath(root, path.segments)
    return reading.found
      ? reading
      : { found: false, reason: `'${path.text}' leads to nothing: no '${reading.segment}' in ${reading.available}` }
  })
}

/** What is recorded of other runs of the same collection: a few hundred at a time, and only the steps that are named. */
export const runReader = (engine: EngineContext, { collection, collectionId }: LiveRun): ActivityContext['runs'] => ({
  async read({ trajectory_ids: ids, paths: texts }) {
    const paths = texts.map(pathOf)
    const roots = new Set(paths.map((path) => path.root))
    const asked = {
      steps: [...roots].filter((root) => root !== 'init_params'),
      initParams: roots.has('init_params'),
      inputs: paths.some(({ segments: [first] }) => first?.kind === 'name' && first.name === 'inputs'),
    }
    const values: ReadValue[][] = []
    for (let at = 0; at < ids.length; at += runsAtOnce) {
      const some = ids.slice(at, at + runsAtOnce)
      const rows = await rowsOf(engine, collectionId, { ids: some, ...asked })
      for (const id of some) values.push(readOne(rows.get(id), collection, id, paths))
    }
    return values
  },

  async steps(id) {
    const rows = await rowsOf(engine, collectionId, { ids: [id], steps: null, initParams: false, inputs: false })
    const steps = rows.get(id)?.steps ?? []
    return steps.map(({ name, status, outputs }) => ({
      name,
      status,
      outputs: outputs === null ? null : (JSON.parse(outputs) as Record<string, unknown>),
    }))
  },
})
