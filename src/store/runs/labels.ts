import { backoffMs } from '../../lib/backoff.ts'
import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import { type NewAuditRow, noteChange } from '../collections/audit.ts'
import type { Database, Queries } from '../database/database.ts'
import { bool, int, json, listsOf, moment, orNull, query, queryOne, type Row, text } from '../database/table.ts'
import { keepLabelDays, keepLabelValues } from './label-totals.ts'

export interface NewLabel {
  runId: string
  key: string
  value: string
  author: string
  /** The authenticated author. */
  recordedBy: string
  /** Audit entry for replacing a label that somebody else set. Default: none. */
  replacing?: NewAuditRow | undefined
}

/** SQL expression: the labels of a run as JSON text, in list order with the newest value last. */
export const labelsText = (runId: string): string =>
  `coalesce((select '[' || string_agg(json_build_object('key', l.key, 'value', l.value,
     'created', to_char(l.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'author', l.author, 'recorded_by', l.recorded_by)::text,
     ',' order by l.number) || ']' from labels l where l.run_id = ${runId}), '[]')`

/** The run moved to another lease while it was being locked: nothing was written; retry the transaction. */
export class RunMoved extends Error {}

const lockLabelledRuns = query(
  'lock_labelled_runs',
  { safe: bool },
  `with found as materialized (select lease, ended_at from runs where id = any($1::text[])),
     held as materialized (
       select id from leases where id in (select lease from found where ended_at is null) order by id for update),
     locked as materialized (
       select lease, ended_at from runs where id = any($1::text[]) and (select count(*) from held) >= 0
       order by id for no key update)
     select ended_at is not null or lease is null or lease in (select id from held) as safe from locked`,
  (runIds: string[]) => [runIds],
)

/**
 * Locks runs for writing labels. Labels and steps share one number sequence: a reader that has seen number N of a run
 * must never find a smaller one later. So a label writer keeps the journal out while it draws a number: the journal
 * writes under a share lock on the lease and locks leases before runs, as this does. With its row locked, a run has
 * ended, is parked and cannot be woken, or belongs to a locked lease; a run that moved to another lease meanwhile
 * matches none of these.
 */
const lockRuns = async (queries: Queries, runIds: string[]): Promise<void> => {
  const rows = await lockLabelledRuns(queries, runIds)
  if (rows.some((row) => !row.safe)) throw new RunMoved('A run is changing hands')
}

/** CTE that numbers the change of the runs in `touched`, whose labels have changed. */
const numbered = `numbered as (update runs set labels_changed = nextval('changes')
  where id in (select run_id from touched))`

/**
 * CTEs that maintain `label_counts` and `label_values` from rows named `come` (task_id, collection_id, key, value, at) and
 * `gone`, which needs no `at`. Writers of several values go in key order, so that they never deadlock.
 */
export const labelCountsCte = `counted as (
  insert into label_counts (task_id, key, value_md5, value, total)
  select task_id, key, md5(value) as value_md5, min(value), sum(delta)
  from (select task_id, key, value, 1 as delta from come union all select task_id, key, value, -1 from gone) deltas
  group by task_id, key, md5(value) having sum(delta) <> 0 order by task_id, key, value_md5
  on conflict (task_id, key, value_md5) do update set total = label_counts.total + excluded.total
  returning task_id, key, value_md5, total),
${keepLabelValues('come', 'gone')}`

/** Columns of new runs that `labelNewRuns` reads, beside `id` and `task_id`. */
export const labelledRun = 'collection_id, author, created_at, number'

/**
 * CTE that labels the runs created by the same statement, its rows `new_runs r` (id, task_id, collection_id, author,
 * created_at, number). `source` joins them with their labels, `u` (key, value, at). `use` has what the runs have used
 * already, as rows for `keepLabelDays`. Nothing is locked, since nobody else sees these runs yet.
 */
export const labelNewRuns = (source: string, use = ''): string => `labelled as (
  insert into labels (run_id, task_id, collection_id, key, author, recorded_by, value, run_created_at, run_number, created_at)
  select r.id, r.task_id, r.collection_id, u.key, r.author, r.author, u.value, r.created_at, r.number, r.created_at
  from new_runs r ${source} order by r.number, u.at
  returning run_id, collection_id, task_id, key, value, run_created_at as at),
labels_counted as (
  insert into label_counts (task_id, key, value_md5, value, total)
  select task_id, key, md5(value) as value_md5, min(value), count(*) from labelled
  group by task_id, key, md5(value) order by task_id, key, value_md5
  on conflict (task_id, key, value_md5) do update set total = label_counts.total + excluded.total),
${keepLabelValues('labelled')},
${keepLabelDays(`(select collection_id, key, value, (at at time zone 'UTC')::date as day, 0 as usd, 0 as tokens, 0 as calls,
    1 as runs from labelled ${use})`)}`

/** SQL expression: counts that have dropped to zero, as the statements below report them. */
export const emptied = `(select json_agg(json_build_array(task_id, key, value_md5)) from counted where total <= 0) as emptied,
  (select json_agg(json_build_array(collection_id, key, value)) from valued where runs <= 0) as emptied_values`
export const emptiedColumns = { emptied: json('json'), emptied_values: json('json') }

/** Deletes counts of zero, in the same transaction: it already holds their locks, so it waits for nobody. */
export const removeEmptied = async (
  queries: Queries,
  row: { emptied: unknown; emptied_values: unknown } | undefined,
): Promise<void> => {
  if (!row?.emptied) return
  await queries.rows(
    'remove_label_counts',
    `with v as (delete from label_values v using json_array_elements($2::json) e
       where v.collection_id = (e->>0)::bigint and v.key = e->>1 and v.value = e->>2 and v.runs <= 0)
     delete from label_counts c using json_array_elements($1::json) e
     where c.task_id = (e->>0)::bigint and c.key = e->>1 and c.value_md5 = e->>2 and c.total <= 0`,
    [JSON.stringify(row.emptied), JSON.stringify(row.emptied_values ?? [])],
  )
}

const insertLabels = query(
  'write_labels',
  { at: int, created_at: moment, replaced: orNull(text), ...emptiedColumns },
  `with given as materialized (
       select u.at, u.run_id, u.key, u.value, u.author, u.recorded_by, r.task_id, r.collection_id, r.created_at, r.number,
         l.run_id is null as is_new, l.value as old_value,
         case when l.run_id is not null and l.recorded_by is distinct from u.recorded_by
           then coalesce(l.recorded_by, 'not known') end as replaced
       from unnest($1::text[], $2::text[], $3::text[], $4::text[], $6::text[]) with ordinality
         u(run_id, key, value, author, recorded_by, at)
       join runs r on r.id = u.run_id
       left join labels l on l.run_id = u.run_id and l.key = u.key and l.author = u.author),
     there as materialized (
       select run_id, count(*) as total from labels where run_id = any($1::text[]) group by run_id),
     fitting as materialized (
       select * from (select g.*, coalesce(t.total, 0) + count(*) filter (where is_new)
           over (partition by g.run_id order by g.at) as place
         from given g left join there t on t.run_id = g.run_id) placed
       where not is_new or place <= $5),
     touched as materialized (select distinct run_id from fitting),
     written as (
       insert into labels (run_id, task_id, collection_id, key, author, recorded_by, value, run_created_at, run_number,
         created_at)
       select run_id, task_id, collection_id, key, author, recorded_by, value, created_at, number, date_trunc('milliseconds', now())
       from fitting order by at
       on conflict (run_id, key, author) do update
         set value = excluded.value, recorded_by = excluded.recorded_by, created_at = excluded.created_at, number = default
       returning run_id, key, author, created_at),
     come as (select task_id, collection_id, key, value, created_at as at from fitting),
     gone as (select task_id, collection_id, key, old_value as value from fitting where not is_new),
     ${numbered},
     ${labelCountsCte}
     select f.at::int as at, w.created_at, f.replaced, ${emptied}
     from fitting f join written w on w.run_id = f.run_id and w.key = f.key and w.author = f.author`,
  (labels: readonly NewLabel[], most: number) => [
    ...listsOf(['runId', 'key', 'value', 'author'], labels),
    most,
    labels.map(({ recordedBy }) => recordedBy),
  ],
)

/**
 * Sets labels by run, key and author, inside a transaction; a new value goes to the end of the list. Returns for each
 * label when it was set, in order; undefined when the run is gone or has `most` labels. Of two with the same run, key
 * and author the last one counts. Throws RunMoved.
 */
export const writeLabels = async (
  queries: Queries,
  labels: readonly NewLabel[],
  most = Number.MAX_SAFE_INTEGER,
): Promise<(Date | undefined)[]> => {
  const places = new Map(labels.map((label, at) => [placeOf(label), at]))
  const last = labels.filter((label, at) => places.get(placeOf(label)) === at)
  if (last.length === 0) return []
  await lockRuns(queries, [...new Set(last.map((label) => label.runId))])
  // A separate statement: only a snapshot taken after the locks sees what was written while waiting for them.
  const rows = await insertLabels(queries, last, most)
  await removeEmptied(queries, rows[0])
  for (const { at, replaced } of rows) {
    const { replacing, key, author } = last[at - 1] as NewLabel
    if (replacing && replaced !== null) await noteChange(queries, replacing, { key, author, recorded_by: replaced })
  }
  const written = new Map(rows.map((row) => [placeOf(last[row.at - 1] as NewLabel), row.created_at]))
  return labels.map((label) => written.get(placeOf(label)))
}

const placeOf = ({ runId, key, author }: Pick<NewLabel, 'runId' | 'key' | 'author'>): string =>
  JSON.stringify([runId, key, author])

const deleteLabels = queryOne(
  'remove_labels',
  { removed: int, ...emptiedColumns },
  `with gone as (
       delete from labels where run_id = $1 and key = $2 and ($3::text is null or author = $3)
       returning run_id, task_id, collection_id, key, value),
     come as (select task_id, collection_id, key, value, now() as at from gone where false),
     touched as (select distinct run_id from gone),
     ${numbered},
     ${labelCountsCte}
     select (select count(*) from gone)::int as removed, ${emptied}`,
  (runId: string, key: string, author: string | null) => [runId, key, author],
)

/**
 * Removes a key from a run, of one author or of all, and returns how many labels went. Call it in a transaction; may
 * throw RunMoved.
 */
export const removeLabels = async (
  queries: Queries,
  label: { runId: string; key: string; author: string | undefined },
): Promise<number> => {
  await lockRuns(queries, [label.runId])
  const row = await deleteLabels(queries, label.runId, label.key, label.author ?? null)
  await removeEmptied(queries, row)
  return row?.removed ?? 0
}

const labelTexts = query(
  'label_texts',
  { id: text, labels: text },
  `select u.id, ${labelsText('u.id')} as labels from unnest($1::text[]) u(id)`,
  (runIds: string[]) => [runIds],
)

/** Reads the labels of runs as JSON text, in the order of the ids. */
export const labelTextsOf = async (queries: Queries, runIds: string[]): Promise<string[]> => {
  const rows = await labelTexts(queries, [...new Set(runIds)])
  const texts = new Map(rows.map((row) => [row.id, row.labels]))
  return runIds.map((id) => texts.get(id) ?? '[]')
}

/** Maximum number of values shown of a key. */
const mostValues = 20
/** Values are cut to this many characters, and counted together. */
const shownCharacters = 200

/**
 * Lists keys of labels in use in a collection after a key, in the order of the database's collation, with frequent
 * values. Each key is one step in the index of each task.
 */
export const labelKeysOf = query(
  'label_keys_of',
  { key: text, values: json<{ value: string; runs: number }[]>('json') },
  `with recursive t as materialized (
       select id from tasks where collection_id = $1 union all select task_id from former_tasks where collection_id = $1),
     keys(key, place) as (
       select (select min(n.key) from t cross join lateral (
          select key from label_counts where task_id = t.id and key > $2 and total > 0 order by key limit 1) n), 1
       union all
       select (select min(n.key) from t cross join lateral (
          select key from label_counts where task_id = t.id and key > k.key and total > 0 order by key limit 1) n), place + 1
       from keys k where k.key is not null and place < $3)
     select k.key, (
       select coalesce(json_agg(json_build_object('value', v.value, 'runs', v.runs) order by v.runs desc, v.value), '[]')
       from (
         select left(c.value, ${shownCharacters}) as value, sum(c.total)::bigint as runs
         from t cross join lateral (
           select value, total from label_counts where task_id = t.id and key = k.key and total > 0
           order by total desc limit ${mostValues}) c
         group by 1 order by 2 desc, 1 limit ${mostValues}) v) as values
     from keys k where k.key is not null order by k.place`,
  (collectionId: number, page: { after: string; limit: number }) => [collectionId, page.after, page.limit],
)

/** A label as an action on many runs found it. */
const formerLabel = { author: text, value: text, recorded_by: orNull(text) }
export type FormerLabel = Row<typeof formerLabel>

const findLabels = query(
  'labels_of_key',
  { run_id: text, ...formerLabel },
  `select run_id, author, value, recorded_by from labels
     where run_id = any($1::text[]) and key = $2 and ($3::text is null or author = $3) order by number`,
  (at: { runKeys: readonly string[]; key: string; author: string | undefined }) => [
    ...[at.runKeys, at.key, at.author ?? null],
  ],
)

/** Reads the labels of a key by run, of one author or of all. Runs without such a label are left out. */
export const labelsOfKey = async (...given: Parameters<typeof findLabels>): Promise<Map<string, FormerLabel[]>> => {
  const found = new Map<string, FormerLabel[]>()
  for (const { run_id, ...label } of await findLabels(...given))
    found.set(run_id, [...(found.get(run_id) ?? []), label])
  return found
}

/** A label as stored, with all labels of its run as JSON text. */
export interface SetLabel {
  createdAt: Date
  labels: string
}

/** Sets and removes labels; concurrent changes are batched into one transaction. */
export interface LabelChanges {
  /** Sets a label; undefined when the run already has the maximum number. */
  set(label: NewLabel): Promise<SetLabel | undefined>
  /** Removes a label and returns the remaining ones as JSON text; undefined when there was nothing to remove. */
  remove(label: { runId: string; key: string; author: string | undefined }): Promise<string | undefined>
}

const mostTogether = 200
const attempts = 50
const movedBackoff = { firstMs: 2, longestMs: 50 }

const deadlocked = (error: unknown): boolean => (error as { code?: string }).code === '40P01'

/** Runs a transaction and retries it after a deadlock, or when a run moved to another lease meanwhile. */
export const insist = async <T>(database: Database, work: (queries: Queries) => Promise<T>): Promise<T> => {
  for (let attempt = 1; attempt < attempts; attempt++) {
    try {
      return await database.transaction(work)
    } catch (error) {
      if (!(error instanceof RunMoved) && !deadlocked(error)) throw error
      await pause(backoffMs(attempt, movedBackoff))
    }
  }
  throw new AppError('busy', 'The run is moving to another process', {
    hint: 'Try again in a moment.',
    retryAfterSeconds: 1,
  })
}

/**
 * Sets one label in the caller's transaction, which must be one of `insist`; undefined when the run has the maximum
 * already.
 */
export const setLabel = async (queries: Queries, label: NewLabel, most: number): Promise<SetLabel | undefined> => {
  const [createdAt] = await writeLabels(queries, [label], most)
  const [labels = '[]'] = await labelTextsOf(queries, [label.runId])
  return createdAt && { createdAt, labels }
}

export const makeLabelChanges = (database: Database, options: { most: number }): LabelChanges => {
  const write = batched(async (labels: NewLabel[]): Promise<(SetLabel | undefined)[]> => {
    const created: (Date | undefined)[] = []
    for (const round of rounds(labels)) {
      const some = round.map((at) => labels[at] as NewLabel)
      const dates = await insist(database, (queries) => writeLabels(queries, some, options.most))
      round.forEach((at, index) => {
        created[at] = dates[index]
      })
    }
    const runIds = labels.map((label) => label.runId)
    const texts = await labelTextsOf(database, runIds)
    return labels.map((_, at) => {
      const createdAt = created[at]
      return createdAt && { createdAt, labels: texts[at] ?? '[]' }
    })
  }, mostTogether)

  return {
    set: write,
    async remove(label) {
      const removed = await insist(database, (queries) => removeLabels(queries, label))
      return removed === 0 ? undefined : (await labelTextsOf(database, [label.runId]))[0]
    },
  }
}

/** Groups labels into rounds without repeated keys, so that every value is stored once, in order. */
const rounds = (labels: NewLabel[]): number[][] => {
  const made: number[][] = []
  const seen = new Map<string, number>()
  labels.forEach(({ runId, key, author }, at) => {
    const name = JSON.stringify([runId, key, author])
    const round = seen.get(name) ?? 0
    seen.set(name, round + 1)
    made[round] = [...(made[round] ?? []), at]
  })
  return made
}
