import type { Queries } from '../../database/database.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { openBelowKeys } from './run-keys.ts'

/** Selects child runs, at any depth: those below some runs, or below one step of a run. */
export interface Below {
  runKeys: string[]
  seq?: number | undefined
  /** The lease of the run above. Once it is lost, nothing is found. */
  lease?: LeaseRef
  /** Which runs to find: `all`, those without a worker (`idle`), or `none`, to check only whether some are open. */
  asks?: 'all' | 'idle' | 'none'
}

/** Open runs that one statement returns: enough to be quick, few enough to keep each statement short. */
const mostFound = 1_000

/** Open runs below others. */
interface OpenBelow {
  /** Whether there are any. */
  open: boolean
  /** Keys of the runs to ask to end: at most `mostFound`. */
  keys: string[]
  /** Whether more may remain to be asked. */
  more: boolean
}

/**
 * Finds open runs below others, at any depth, that were not asked to end yet, or that were asked and have left memory
 * since. Returns undefined if another process has the lease.
 */
export const openBelow = async (
  database: Queries,
  { runKeys, seq, lease, asks = 'all' }: Below,
): Promise<OpenBelow | undefined> => {
  const [row] = await database.rows<{ held: boolean; open: boolean; keys: string[] }>(
    'open_below',
    `with fence as materialized (
       select $3::text is null or exists (select from leases where id = $3 and epoch = $4) as held),
     below as not materialized (select r.* from ${openBelowKeys('id, lease, requested_status', '$1::text[]', '$2::int')} r),
     unasked as not materialized (select id from below where case $5 when 'all'
         then requested_status is null or lease is null
         else lease is null or exists (select from leases l where l.id = below.lease and l.epoch = 0) end)
     select held, held and exists (select from below limit 1) as open,
       array(select id from unasked where held and $5 <> 'none' limit ${mostFound}) as keys from fence`,
    [runKeys, seq ?? null, lease?.id ?? null, lease?.epoch ?? null, asks],
  )
  return row?.held ? { open: row.open, keys: row.keys, more: row.keys.length === mostFound } : undefined
}
