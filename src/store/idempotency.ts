import { createHash } from 'node:crypto'
import type { Database, Queries } from '../database/database.ts'
import { AppError } from '../lib/errors.ts'
import { canonicalJson } from '../lib/json/json-text.ts'
import { type Sealer, sameText } from '../lib/secrets/crypto.ts'

/** What the caller claims a key for. */
export interface Claim {
  /** Hash of who calls what, with which Idempotency-Key. */
  scope: string
  /** Hash of what was sent. */
  fingerprint: string
  /** The run to be started, by its internal key, where the call starts one. */
  runKey?: string
}

/** A key as it was claimed first, within the time that it holds. */
export interface Claimed {
  isNew: boolean
  runKey: string | null
  answer: string | null
}

interface ClaimRow {
  is_new: boolean
  fingerprint: string
  run_key: string | null
  answer: string | null
}

/** How long a key leads to the first answer. */
const heldFor = "interval '24 hours'"

/** What a sealed fingerprint is bound to: secrets can be few and short, and their hash would give them away. */
export const fingerprintSeal = (scope: string): string => `idempotency_keys/${scope}`

/** Hash of what was sent, whichever way its members were ordered. */
export const fingerprintOf = (sent: unknown): string => createHash('sha256').update(canonicalJson(sent)).digest('hex')

const reused = () =>
  new AppError('idempotency_conflict', 'This Idempotency-Key was used for another request within the last 24 hours', {
    hint: 'Send a new key with a new request; with an old key, send exactly what was sent before.',
  })

const claimedBy = (row: ClaimRow, sealer: Sealer, { scope, fingerprint }: Claim): Claimed => {
  if (!row.is_new && !sameText(sealer.open(row.fingerprint, fingerprintSeal(scope)), fingerprint)) throw reused()
  return { isNew: row.is_new, runKey: row.run_key, answer: row.answer }
}

/** Who claimed a key before, while that holds. Throws `idempotency_conflict` when the key came with something else. */
export const findClaim = async (queries: Queries, sealer: Sealer, claim: Claim): Promise<Claimed | undefined> => {
  const [row] = await queries.rows<ClaimRow>(
    'find_idempotency_key',
    `select false as is_new, fingerprint, run_key, answer from idempotency_keys
     where scope = $1 and created_at >= now() - ${heldFor}`,
    [claim.scope],
  )
  return row && claimedBy(row, sealer, claim)
}

/**
 * Claims a key, or finds who did before. One that is older than it holds is claimed anew. Of two at the same time the
 * second waits for the first one's transaction. Throws `idempotency_conflict` when the key came with something else.
 */
export const claimKey = async (queries: Queries, sealer: Sealer, claim: Claim): Promise<Claimed> => {
  const sealed = sealer.seal(claim.fingerprint, fingerprintSeal(claim.scope))
  const values = [claim.scope, sealed, claim.runKey ?? null]
  for (;;) {
    const [row] = await queries.rows<ClaimRow>(
      'claim_idempotency_key',
      `with claimed as (
         insert into idempotency_keys as k (scope, fingerprint, run_key) values ($1, $2, $3)
         on conflict (scope) do update
           set fingerprint = excluded.fingerprint, run_key = excluded.run_key, answer = null, created_at = now()
           where k.created_at < now() - ${heldFor}
         returning run_key, answer)
       select true as is_new, '' as fingerprint, run_key, answer from claimed
       union all
       select false, fingerprint, run_key, answer from idempotency_keys
       where scope = $1 and not exists (select from claimed)`,
      values,
    )
    if (row) return claimedBy(row, sealer, claim) // without one, it was written after this statement began
  }
}

/**
 * Does work whose answer is kept, and gives the answer of the first time where it was done before. To be called in a
 * transaction, with everything that the work writes: what is refused or cut off leaves the key as it was.
 */
export const answerOnce = async (
  queries: Queries,
  sealer: Sealer,
  claim: Claim,
  work: () => Promise<string>,
): Promise<string> => {
  const claimed = await claimKey(queries, sealer, claim)
  if (claimed.answer !== null) return claimed.answer
  const answer = await work()
  await queries.rows('keep_answer', 'update idempotency_keys set answer = $2 where scope = $1', [claim.scope, answer])
  return answer
}

const sweptAtOnce = 1000
const mostSweeps = 50

/** Removes keys that hold no longer, a bounded number; for the server to call at times. */
export const sweepIdempotencyKeys = async (database: Database): Promise<void> => {
  for (let sweeps = 0; sweeps < mostSweeps; sweeps++) {
    const removed = await database.rows(
      'sweep_idempotency_keys',
      `delete from idempotency_keys where scope in (
         select scope from idempotency_keys where created_at < now() - ${heldFor} order by created_at limit ${sweptAtOnce}
         for update skip locked)
       returning 1`,
    )
    if (removed.length < sweptAtOnce) return
  }
}
