import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { Database } from '../database/database.ts'
import { bigint, change, float, moment, orNull, query, queryOne, queryRow, type Row, text } from '../database/table.ts'

const usage = {
  collectionId: bigint,
  runs: bigint,
  databaseBytes: bigint,
  fileBytes: bigint,
  /** Settings of the collection as JSON text. */
  settings: orNull(text),
  measuredAt: orNull(moment),
  /** Settings of the collection that pays for it. */
  payerSettings: orNull(text),
  /** Runs and bytes of the other collections of its payer. */
  othersRuns: float,
  othersBytes: float,
}
type UsageRow = Row<typeof usage>

/** Storage use of a collection: runs, bytes of text in the database, bytes of files. */
export type Usage = Pick<UsageRow, 'runs' | 'databaseBytes' | 'fileBytes'>

const columns = `c.id as "collectionId", greatest(u.runs, 0) as runs, greatest(u.database_bytes, 0) as "databaseBytes",
  greatest(u.file_bytes, 0) as "fileBytes", u.measured_at as "measuredAt", c.settings,
  (select settings from collections p where p.id = c.payer) as "payerSettings",
  coalesce(s.runs - coalesce(before.runs, 0), 0)::float8 as "othersRuns",
  coalesce(s.bytes - coalesce(before.database_bytes + before.file_bytes, 0), 0)::float8 as "othersBytes"`

/** CTE with what all collections of some payers store. */
const sums = (payers: string): string => `sums as (
  select m.payer, sum(m_usage.runs) runs, sum(m_usage.database_bytes + m_usage.file_bytes) bytes
  from collections m join collection_usage m_usage on m_usage.collection_id = m.id
  where m.payer in (${payers}) group by m.payer)`
const joins = `left join sums s on s.payer = c.payer left join collection_usage before on before.collection_id = c.id`

/** Adds to the usage of collections and returns the new numbers; deleted collections are left out. */
const addUsage = query(
  'add_usage',
  usage,
  `with n as (
     insert into collection_usage as u (collection_id, runs, database_bytes, file_bytes, added_at)
     select a.*, now() from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) a(id, runs, texts, files)
     join collections c on c.id = a.id
     on conflict (collection_id) do update set runs = u.runs + excluded.runs,
       database_bytes = u.database_bytes + excluded.database_bytes, file_bytes = u.file_bytes + excluded.file_bytes, added_at = now()
     returning *),
   ${sums('select c.payer from collections c where c.id = any($1::bigint[])')}
   select ${columns} from n u join collections c on c.id = u.collection_id ${joins}`,
  (added: ReadonlyMap<number, Usage>) => {
    const rows = [...added].sort(([left], [right]) => left - right) // sorted, so that two processes never deadlock
    return [
      rows.map(([id]) => id),
      rows.map(([, { runs }]) => runs),
      rows.map(([, { databaseBytes }]) => databaseBytes),
      rows.map(([, { fileBytes }]) => fileBytes),
    ]
  },
)

/** Reads a collection's usage; undefined when it is gone. */
const readUsage = queryOne(
  'read_usage',
  usage,
  `with ${sums('select payer from collections where id = $1')}
   select ${columns} from collections c left join collection_usage u on u.collection_id = c.id ${joins}
   where c.id = $1`,
  (collectionId: number) => [collectionId],
)

/**
 * Bytes of text of a run and its parts. `octet_length` does not read the text: Postgres stores the length separately.
 */
const databaseBytes = `coalesce(octet_length(r.init_params), 0)
  + (select coalesce(sum(coalesce(octet_length(s.inputs), 0) + coalesce(octet_length(s.outputs), 0)
       + coalesce(octet_length(s.error), 0)), 0) from steps s where s.run_id = r.id)
  + (select coalesce(sum(octet_length(p.body)), 0) from payloads p where p.run_id = r.id)
  + (select coalesce(sum(octet_length(e.event)), 0) from step_events e where e.run_id = r.id)
  + (select coalesce(sum(octet_length(c.call)), 0) from step_calls c where c.run_id = r.id)
  + (select coalesce(sum(octet_length(a.attributes)), 0) from spans a where a.run_id = r.id)`

/** SQL expression: bytes that the run `r` takes, its files included. */
export const runBytes = `(${databaseBytes}
  + (select coalesce(sum(f.size), 0) from files f where f.run_id = r.id))::bigint`

/** CTE with the usage that collections lose when the runs `$1` are deleted; part of the deleting statement. */
export const lostUsage = `lost as (
  update collection_usage u set runs = u.runs - l.runs, database_bytes = u.database_bytes - l.bytes
  from (select r.collection_id, count(*) runs, sum(${databaseBytes}) bytes from runs r where r.id = any($1)
    group by r.collection_id) l
  where u.collection_id = l.collection_id)`

/** CTE that subtracts the bytes of removed files. */
export const lostFilesUsage = `lost as (
  update collection_usage u set file_bytes = u.file_bytes - l.bytes
  from (select collection_id, sum(size) bytes from gone group by collection_id) l where u.collection_id = l.collection_id)`

/** SQL expression: bytes of the items and versions of the entity `e`. */
const entityBytes = `((select coalesce(sum(octet_length(i.data)), 0) from dataset_items i where i.dataset_id = e.id)
  + (select coalesce(sum(octet_length(v.data)), 0) from entity_versions v where v.entity_id = e.id))`

/** CTE that subtracts the bytes of the entity `$1`, which is deleted; part of the deleting statement. */
export const lostEntityUsage = `lost as (
  update collection_usage u set database_bytes = u.database_bytes - l.bytes
  from (select e.collection_id, ${entityBytes} bytes from entities e where e.id = $1) l
  where u.collection_id = l.collection_id)`

const measureAgain = "interval '1 day'"
/** A process adds its usage up to a second after storing: measured in that second, it would count twice. */
const quiet = `u.added_at is null or u.added_at < now() - interval '5 seconds' or u.measured_at < now() - 2 * ${measureAgain}`

const nextToMeasure = queryOne(
  'next_usage_to_measure',
  { id: bigint },
  `select c.id from collections c left join collection_usage u on u.collection_id = c.id
   where u.measured_at is null or (u.measured_at < now() - ${measureAgain} and (${quiet}))
   order by u.measured_at nulls first, c.id limit 1`,
)
const measure = change(
  'measure_usage',
  `insert into collection_usage as u (collection_id, runs, database_bytes, file_bytes, measured_at)
   select c.id,
     (select count(*) from runs r where r.collection_id = c.id),
     (select coalesce(sum(${databaseBytes}), 0) from runs r where r.collection_id = c.id)
       + (select coalesce(sum(${entityBytes}), 0) from entities e where e.collection_id = c.id)
       + (select coalesce(sum(d.bytes), 0) from hooks h join hook_deliveries d on d.hook_id = h.id
          where h.collection_id = c.id),
     (select coalesce(sum(size), 0) from files f where f.collection_id = c.id and f.bucket is null), now()
   from collections c where c.id = $1
   on conflict (collection_id) do update set runs = excluded.runs, database_bytes = excluded.database_bytes,
     file_bytes = excluded.file_bytes, measured_at = excluded.measured_at`,
  (collectionId: number) => [collectionId],
)

/**
 * Measures the collection with the oldest numbers, if they are a day old and nothing was added just now, and returns
 * its id. This corrects drift: additions of a killed process are lost, and overwritten texts count twice.
 */
export const measureNextUsage = async (database: Database): Promise<number | undefined> => {
  const next = await nextToMeasure(database)
  if (next) await measure(database, next.id)
  return next?.id
}

/** Default limits of a collection without a quota of its own. */
interface QuotaLimits {
  bytes: number
  runs: number
}

/** Tracks what collections, and all collections of a payer together, store against their limits. */
export interface Quota {
  /** Adds stored bytes or runs; written to the database within a second. */
  add(collectionId: number, added: Partial<Usage>): void
  /**
   * Throws or rejects with `quota_exceeded` when a collection has no room for that many more runs or for any more
   * bytes. Undefined when this process already knows that there is room.
   */
  require(collectionId: number, runs?: number): Promise<void> | undefined
  /** Current usage and limits of a collection. */
  of(collectionId: number): Promise<Pick<Known, 'usage' | 'others' | 'limits' | 'together' | 'measuredAt'>>
  /** Writes pending additions to the database. */
  stop(): Promise<void>
}

const flushMs = 1_000
/** Age at which a cached number is refreshed in the background: other processes store too. */
const staleMs = 5_000
/** Maximum number of cached collections. */
const mostKnown = 10_000

const nothing: Usage = { runs: 0, databaseBytes: 0, fileBytes: 0 }

const addTo = (sum: Usage, { runs = 0, databaseBytes = 0, fileBytes = 0 }: Partial<Usage>): void => {
  sum.runs += runs
  sum.databaseBytes += databaseBytes
  sum.fileBytes += fileBytes
}

const plus = (left: Usage, right: Partial<Usage>): Usage => ({
  runs: left.runs + (right.runs ?? 0),
  databaseBytes: left.databaseBytes + (right.databaseBytes ?? 0),
  fileBytes: left.fileBytes + (right.fileBytes ?? 0),
})

interface Known {
  /** The database's numbers plus additions of this process since. */
  usage: Usage
  /** What the other collections of its payer stored when the database was read. */
  others: { runs: number; bytes: number }
  /** Of the collection alone. */
  limits: QuotaLimits
  /** Of all collections of its payer together: the quota of the collection that pays. */
  together: QuotaLimits
  measuredAt: Date | null
  readMs: number
}

const limitsOf = (settings: string | null, defaults: QuotaLimits): QuotaLimits => {
  const own = readCollectionSettings(settings).quota
  return { bytes: own?.stored_bytes ?? defaults.bytes, runs: own?.runs ?? defaults.runs }
}

const hint =
  'Delete runs or files, let retention_days remove old runs, or ask the operator of the server for a higher quota.'

/** Whose quota it is, in the words of a refusal. */
const ofOne = { stores: 'This collection stores', keeps: 'This collection keeps', whose: 'its' }
const ofPayer = {
  stores: 'The collections made with your keys store',
  keeps: 'The collections made with your keys keep',
  whose: 'their',
}

/** Called for each step: it makes no objects unless it refuses. */
const check = ({ usage, others, limits, together }: Known, more: number): void => {
  const bytes = usage.databaseBytes + usage.fileBytes
  requireWithin(limits, bytes, usage.runs, more, ofOne)
  requireWithin(together, bytes + others.bytes, usage.runs + others.runs, more, ofPayer)
}

const requireWithin = (
  limits: QuotaLimits,
  bytes: number,
  runs: number,
  more: number,
  { stores, keeps, whose }: typeof ofOne,
): void => {
  if (bytes >= limits.bytes) {
    const text = `${stores} ${byteSize(bytes)}, and ${whose} quota is ${byteSize(limits.bytes)}`
    throw new AppError('quota_exceeded', text, { hint })
  }
  if (runs + more <= limits.runs) return
  const text = `${keeps} ${runs} of the ${limits.runs} runs that ${whose} quota allows`
  throw new AppError('quota_exceeded', more === 1 ? text : `${text}; ${more} more would exceed it`, { hint })
}

/** Makes a quota that tracks usage in memory, so that no request has to query the database. */
export const makeQuota = (database: Database, defaults: QuotaLimits, log: Pick<Logger, 'debug'>): Quota => {
  const known = makeLru<number, Known>(mostKnown)
  let pending = new Map<number, Usage>()
  let timer: NodeJS.Timeout | undefined
  let flushing: Promise<void> | undefined

  const remember = (collectionId: number, row: UsageRow | undefined): Known => {
    const stored = row ? { runs: row.runs, databaseBytes: row.databaseBytes, fileBytes: row.fileBytes } : nothing
    const one: Known = {
      usage: plus(stored, pending.get(collectionId) ?? nothing),
      others: { runs: Math.max(0, row?.othersRuns ?? 0), bytes: Math.max(0, row?.othersBytes ?? 0) },
      limits: limitsOf(row?.settings ?? null, defaults),
      together: limitsOf(row?.payerSettings ?? null, defaults),
      measuredAt: row?.measuredAt ?? null,
      readMs: performance.now(),
    }
    known.set(collectionId, one)
    return one
  }
  const read = async (collectionId: number): Promise<Known> =>
    remember(collectionId, await readUsage(database, collectionId))

  const flush = async (): Promise<void> => {
    const sent = pending
    pending = new Map()
    try {
      for (const row of await addUsage(database, sent)) remember(row.collectionId, row)
    } catch (error) {
      for (const [id, usage] of sent) pending.set(id, plus(pending.get(id) ?? nothing, usage))
      log.debug({ err: error }, 'usage of collections not written yet')
      arm()
    }
  }
  const arm = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      flushing = flush().finally(() => {
        flushing = undefined
      })
    }, flushMs)
    timer.unref()
  }
  const add: Quota['add'] = (collectionId, added) => {
    const sum = pending.get(collectionId)
    if (sum) addTo(sum, added)
    else pending.set(collectionId, plus(nothing, added))
    const one = known.get(collectionId)
    if (one) addTo(one.usage, added)
    if (timer === undefined) arm()
  }

  return {
    add,
    require(collectionId, runs = 1) {
      const one = known.get(collectionId)
      if (!one) return read(collectionId).then((found) => check(found, runs))
      if (performance.now() - one.readMs > staleMs) {
        one.readMs = performance.now()
        read(collectionId).catch((error: unknown) => log.debug({ err: error }, 'usage of a collection not read'))
      }
      check(one, runs)
      return undefined
    },
    async of(collectionId) {
      const found = await read(collectionId)
      return { ...found, usage: { ...found.usage } }
    },
    async stop() {
      clearTimeout(timer)
      timer = undefined
      await flushing
      if (pending.size > 0) await flush()
      clearTimeout(timer)
    },
  }
}

/** Sizes of all collections together, as their quotas count them. */
export const storedTotals = queryRow(
  'stored_totals',
  { collections: bigint, runs: bigint, fileBytes: bigint },
  `select (select count(*) from collections) as collections, coalesce(sum(greatest(runs, 0)), 0)::bigint as runs,
     coalesce(sum(greatest(file_bytes, 0)), 0)::bigint as "fileBytes" from collection_usage`,
)
