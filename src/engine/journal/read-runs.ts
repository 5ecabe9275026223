import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ActivityContext, ReadValue } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { Queries } from '../../store/database/database.ts'
import { float, orNull, query, text } from '../../store/database/table.ts'
import { type Path, parsePath, readPath, whyNotFound } from '../program/paths.ts'

/** What a step may read of a run. Values are JSON texts. */
export interface ReadableRun {
  status: string
  init_params: string | null
  /** The requested steps in order of execution. */
  steps: { name: string; status: string; inputs: string | null; outputs: string | null; error: string | null }[]
}

/** The run that reads others. */
interface Reader {
  readonly collection: string
  readonly collectionId: number
  /** Runs whose results are in memory, by trajectory id. */
  readonly childResults?: ReadonlyMap<string, ReadableRun>
}

interface ReadRow extends ReadableRun {
  trajectory_id: string
  /** Whether its texts are included; those of the first run always are. */
  fits: boolean
}

/** Maximum runs and approximate text of one query: all of it is parsed in memory at once. */
const runsAtOnce = 250
const textAtOnce = 8 * 1024 * 1024
/** Text of the first query: most readers want little. */
const firstText = 1024 * 1024
/** Copies in memory: text, connection buffer, and parsed value. */
const copiesOfText = 3

const askedInitParams = `case when $4 then coalesce(r.init_params, (select body from payloads where id = r.init_params_payload)) end`
const askedInputs = `case when $5 then coalesce(s.inputs, (select body from payloads where id = s.inputs_payload)) end`
const outputs = 'coalesce(s.outputs, (select body from payloads where id = s.outputs_payload))'
const askedSteps = `from steps s where s.run_id = r.id and regexp_replace(s.name, '__[0-9]+$', '') = any($3)`

/**
 * Reads runs of a collection by trajectory id, each with the requested steps; a step of a loop is found by its name in
 * the workflow. Once enough text is collected, further runs come without theirs. Each run is looked up by id alone:
 * without statistics the planner would scan the whole collection for each, which `offset 0` prevents.
 */
const readStatement = `
  with asked as materialized (
    select r.*, u.place,
      coalesce(octet_length(${askedInitParams}), 0) + (
        select coalesce(sum(coalesce(octet_length(${askedInputs}), 0) + coalesce(octet_length(${outputs}), 0)), 0) ${askedSteps}) size
    from unnest($2::text[]) with ordinality u(id, place)
    cross join lateral (
      select id, trajectory_id, collection_id, ingested, status, init_params, init_params_payload from runs
      where trajectory_id = u.id offset 0) r
    where r.collection_id = $1 and not r.ingested),
  placed as (select *, sum(size) over (order by place) - size < $6 as fits from asked)
  select r.trajectory_id, r.status, r.fits,
    case when r.fits then ${askedInitParams} end init_params,
    case when r.fits then coalesce((
      select json_agg(json_build_object('name', s.name, 'status', s.status, 'inputs', ${askedInputs}, 'outputs', ${outputs},
        'error', s.error) order by s.seq) ${askedSteps}), '[]') end steps
  from placed r`

interface RunReaderDeps {
  database: Queries
  limits: { maxOutputBytes: number }
}

const rowsOf = async (
  { database }: RunReaderDeps,
  collectionId: number,
  asked: { ids: string[]; steps: string[]; initParams: boolean; inputs: boolean; textBytes: number },
): Promise<Map<string, ReadRow>> => {
  const rows = await database.rows<ReadRow>('read_runs', readStatement, [
    collectionId,
    asked.ids,
    asked.steps,
    asked.initParams,
    asked.inputs,
    asked.textBytes,
  ])
  return new Map(rows.map((row) => [row.trajectory_id, row]))
}

/** Reads the steps of one run, with all outputs or those of the last completed one, within the size limit. */
const stepsStatement = `
  with known as materialized (
    select s.seq, s.name, s.status, s.outputs, s.outputs_payload, max(s.seq) filter (where s.status = 'completed') over () last
    from runs r join steps s on s.run_id = r.id
    where r.trajectory_id = $2 and r.collection_id = $1 and not r.ingested),
  total as (select coalesce(sum(octet_length(${outputs})), 0)::float8 as bytes from known s where $3 or s.seq = s.last)
  select s.name, s.status, case when ($3 or s.seq = s.last) and t.bytes <= $4 then ${outputs} end as outputs, t.bytes
  from known s, total t order by s.seq`

const tooMuch = (what: string, limit: number): AppError =>
  new AppError('output_too_large', `${what} more than ${byteSize(limit)}, the limit for the outputs of a step`, {
    hint: 'Read fewer of them, or save large results as files and pass their paths on. JETTY_MAX_OUTPUT_BYTES sets the limit.',
  })

const pathOf = (text: string): Path => {
  const path = parsePath(text)
  if (path) return path
  throw new AppError('parameter_invalid', `'${text}' is not a path; expected something like step.outputs.text`)
}

/** Root values of a run's paths: its `init_params` and its steps, each parsed once. */
const documentOf = (row: ReadableRun): ((root: string) => unknown) => {
  const parsed = new Map<string, unknown>()
  const look = (root: string): unknown => {
    if (root === 'init_params') return row.init_params === null ? undefined : JSON.parse(row.init_params)
    // For a step of a loop, its latest iteration.
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

const readOne = (row: ReadableRun | undefined, collection: string, id: string, paths: Path[]): ReadValue[] => {
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
      : { found: false, reason: `'${path.text}' leads to nothing: ${whyNotFound(path, reading)}` }
  })
}

const readSteps = query(
  'read_steps',
  { name: text, status: text, outputs: orNull(text), bytes: float },
  stepsStatement,
  (collectionId: number, trajectoryId: string, isAll: boolean, mostBytes: number) => [
    collectionId,
    trajectoryId,
    isAll,
    mostBytes,
  ],
)

/** Lets a step read other runs of its collection, a few hundred at a time, and only the steps it names. */
export const runReader = (
  deps: RunReaderDeps,
  { collection, collectionId, childResults }: Reader,
  room: ActivityContext['room'],
): ActivityContext['runs'] => ({
  async read({ trajectory_ids: ids, paths: texts }) {
    const paths = texts.map(pathOf)
    const roots = new Set(paths.map((path) => path.root))
    const asked = {
      steps: [...roots].filter((root) => root !== 'init_params'),
      initParams: roots.has('init_params'),
      inputs: paths.some(({ segments: [first] }) => first?.kind === 'name' && first.name === 'inputs'),
    }
    const values: ReadValue[][] = []
    const limit = deps.limits.maxOutputBytes
    let size = 0
    let held = 0
    while (values.length < ids.length) {
      const known = readKnown(childResults, ids.slice(values.length, values.length + runsAtOnce), collection, paths)
      if (known.length > 0) {
        for (const one of known) {
          const reading = sized(one, limit)
          values.push(reading.values)
          size += reading.size
        }
        if (size > limit) throw tooMuch(`The values of ${values.length} of ${ids.length} runs are`, limit)
        await nextTurn()
        continue
      }
      const some = ids.slice(values.length, values.length + runsAtOnce)
      const textBytes = values.length === 0 ? firstText : textAtOnce
      const wanted = copiesOfText * (size + textBytes)
      if (wanted > held) await room(wanted - held)
      held = Math.max(held, wanted)
      const rows = await rowsOf(deps, collectionId, { ids: [...new Set(some)], textBytes, ...asked })
      const readings = new Map<string, { values: ReadValue[]; size: number }>()
      for (const id of some) {
        const row = rows.get(id)
        if (row?.fits === false) break // it comes first in the next query
        const reading = readings.get(id) ?? sized(readOne(row, collection, id, paths), limit)
        readings.set(id, reading)
        values.push(reading.values)
        size += reading.size
        if (size > limit) throw tooMuch(`The values of ${values.length} of ${ids.length} runs are`, limit)
      }
    }
    return values
  },

  async steps(id, which) {
    const limit = deps.limits.maxOutputBytes
    const read = (most: number) => readSteps(deps.database, collectionId, id, which === 'all', most)
    const few = Math.min(limit, firstText)
    let steps = await read(few)
    const bytes = steps[0]?.bytes ?? 0
    if (bytes > limit) throw tooMuch(`The outputs of run ${id} are`, limit)
    if (bytes > few) {
      await room(copiesOfText * bytes)
      steps = await read(limit)
    }
    return steps.map(({ name, status, outputs }) => ({
      name,
      status,
      outputs: outputs === null ? null : (JSON.parse(outputs) as Record<string, unknown>),
    }))
  },
})

/** Reads the runs at the beginning of a list that ended in this process. */
const readKnown = (known: Reader['childResults'], ids: string[], collection: string, paths: Path[]): ReadValue[][] => {
  if (!known) return []
  const first = ids.findIndex((id) => !known.has(id))
  return ids.slice(0, first === -1 ? ids.length : first).map((id) => readOne(known.get(id), collection, id, paths))
}

/** Takes values until their JSON text exceeds `limit`; returns them with the size. */
const sized = (values: ReadValue[], limit: number): { values: ReadValue[]; size: number } => {
  let size = 0
  for (const value of values) if (size <= limit) size += JSON.stringify(value).length
  return { values, size }
}
