import { createHash } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import { canonicalJson } from '../lib/json/json-text.ts'
import { type Sealer, sameText } from '../lib/secrets/crypto.ts'
import type { Database, Queries } from './database/database.ts'
import { bool, change, orNull, query, queryOne, type Row, text } from './database/table.ts'

/** A claim of an idempotency key. */
interface Claim {
  /** Hash of the caller, the operation and the Idempotency-Key header. */
  scope: string
  /** Hash of the request. */
  fingerprint: string
  /** Internal key of the run to start, if the call starts one. */
  runKey?: string
}

/** The first claim of a key that has not expired. */
const claimed = { is_new: bool, fingerprint: text, run_key: orNull(text), answer: orNull(text) }
type Claimed = Row<typeof claimed>

/** How long a key returns the first answer. */
const heldFor = "interval '24 hours'"

/**
 * Encryption context of a fingerprint. Fingerprints are encrypted because requests may hold short secrets that a hash
 * would reveal.
 */
export const fingerprintSeal = (scope: string): string => `idempotency_keys/${scope}`

/** Hashes a request independent of member order. */
export const fingerprintOf = (sent: unknown): string => createHash('sha256').update(canonicalJson(sent)).digest('hex')

const reused = () =>
  new AppError(
    'idempotency_conflict',
    'This Idempotency-Key was used for a different request within the last 24 hours',
    {
      hint: 'Use a new key for a new request, or repeat the first request unchanged.',
    },
  )

const claimedBy = (row: Claimed, sealer: Sealer, { scope, fingerprint }: Claim): Claimed => {
  if (!row.is_new && !sameText(sealer.open(row.fingerprint, fingerprintSeal(scope)), fingerprint)) throw reused()
  return row
}

const readClaim = queryOne(
  'find_idempotency_key',
  claimed,
  `select false as is_new, fingerprint, run_key, answer from idempotency_keys
   where scope = $1 and created_at >= now() - ${heldFor}`,
  (scope: string) => [scope],
)

/** Finds an unexpired claim. Throws `idempotency_conflict` when the key came with another request. */
export const findClaim = async (queries: Queries, sealer: Sealer, claim: Claim): Promise<Claimed | undefined> => {
  const row = await readClaim(queries, claim.scope)
  return row && claimedBy(row, sealer, claim)
}

const writeClaim = queryOne(
  'claim_idempotency_key',
  claimed,
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
  ({ scope, fingerprint, runKey }: Claim) => [scope, fingerprint, runKey ?? null],
)

/**
 * Claims a key, or returns the earlier claim; an expired one is claimed anew. Of two concurrent claims the second waits
 * for the first one's transaction. Throws `idempotency_conflict` when the key came with another request.
 */
export const claimKey = async (queries: Queries, sealer: Sealer, claim: Claim): Promise<Claimed> => {
  const sealed = { ...claim, fingerprint: sealer.seal(claim.fingerprint, fingerprintSeal(claim.scope)) }
  for (;;) {
    const row = await writeClaim(queries, sealed)
    if (row) return claimedBy(row, sealer, claim) // no row: the claim was written after this statement began
  }
}

const keepAnswer = change(
  'keep_answer',
  'update idempotency_keys set answer = $2 where scope = $1',
  (scope: string, answer: string) => [scope, answer],
)

/**
 * Runs `work` once for a key and stores its answer; a repetition returns the stored answer. Call it inside the
 * transaction of everything `work` writes: a refusal or crash then leaves the key unclaimed.
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
  await keepAnswer(queries, claim.scope, answer)
  return answer
}

const sweptAtOnce = 1000
const mostSweeps = 50

const sweepSome = query(
  'sweep_idempotency_keys',
  {},
  `delete from idempotency_keys where scope in (
     select scope from idempotency_keys where created_at < now() - ${heldFor} order by created_at limit ${sweptAtOnce}
     for update skip locked)
   returning 1`,
)

/** Makes an answer in one transaction. A repeated Idempotency-Key gets the first one. */
export const answeredOnce = async <Answer>(
  { database, sealer }: { database: Database; sealer: Sealer },
  scope: string | undefined,
  sent: unknown,
  work: (queries: Queries) => Promise<Answer>,
): Promise<Answer> => {
  if (scope === undefined) return work(database)
  const claim = { scope, fingerprint: fingerprintOf(sent) }
  const answer = await database.transaction((queries) =>
    answerOnce(queries, sealer, claim, async () => JSON.stringify(await work(queries))),
  )
  return JSON.parse(answer) as Answer
}

/** Deletes a bounded number of expired keys. The server calls it periodically. */
export const sweepIdempotencyKeys = async (database: Database): Promise<void> => {
  for (let sweeps = 0; sweeps < mostSweeps; sweeps++) {
    if ((await sweepSome(database)).length < sweptAtOnce) return
  }
}
