import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { Database } from '../database/database.ts'
import { addUsage, readUsage, type Usage, type UsageRow } from './usage.ts'

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

const check = ({ usage, others, limits, together }: Known, runs: number): void => {
  const bytes = usage.databaseBytes + usage.fileBytes
  const own = { verbs: ['This collection stores', 'This collection keeps'], whose: 'its', bytes, runs: usage.runs }
  requireWithin(own, limits, runs)
  const all = { bytes: bytes + others.bytes, runs: usage.runs + others.runs }
  const verbs = ['The collections made with your keys store', 'The collections made with your keys keep']
  requireWithin({ verbs, whose: 'their', ...all }, together, runs)
}

const requireWithin = (
  { verbs: [stores, keeps], whose, ...used }: { verbs: string[]; whose: string } & QuotaLimits,
  limits: QuotaLimits,
  runs: number,
): void => {
  if (used.bytes >= limits.bytes) {
    const text = `${stores} ${byteSize(used.bytes)}, and ${whose} quota is ${byteSize(limits.bytes)}`
    throw new AppError('quota_exceeded', text, { hint })
  }
  if (used.runs + runs <= limits.runs) return
  const text = `${keeps} ${used.runs} of the ${limits.runs} runs that ${whose} quota allows`
  throw new AppError('quota_exceeded', runs === 1 ? text : `${text}; ${runs} more would exceed it`, { hint })
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
