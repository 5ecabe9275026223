import type { PlacedAdmission } from '../http/authorise.ts'
import { newRunKey } from '../lib/ids.ts'
import { now } from '../lib/time.ts'
import type { Lending } from '../store/collections/lending.ts'

/** The use of a trial by one call. */
export interface TrialCall {
  /** The run key of its record, under which it is counted. */
  runKey: string
  /** Names of the keys that are lent to the call. */
  lent: readonly string[]
  /** Headers that report the rest of the trial after the call. */
  headers: Record<string, string>
}

/** Counts a call that asks for keys of the server; undefined when it needs none. Throws `forbidden` as a run does. */
export const beginTrialCall = async (
  lending: Lending,
  { collection }: PlacedAdmission,
): Promise<TrialCall | undefined> => {
  const runKey = newRunKey()
  const { id: collectionId, environment_id: environmentId } = collection
  const loan = await lending.reserve({ collectionId, environmentId, secrets: {}, runKey })
  if (!loan) return undefined
  const { runs_remaining: runs, minutes_remaining: minutes } = loan.trial
  return {
    runKey,
    lent: loan.lent,
    headers: { 'x-jetty-trial-runs-remaining': String(runs), 'x-jetty-trial-minutes-remaining': String(minutes) },
  }
}

/** A finished call with its use of a trial. */
interface EndedTrialCall {
  key: string
  place: { collectionId: number }
  startedMs: number
  trial: TrialCall | undefined
}

/**
 * Counts how long a call took, whether or not it is recorded. An error is ignored: when the database is away, the record
 * that is written later has the time too.
 */
export const endTrialCall = async (
  lending: Lending,
  { key, place, startedMs, trial }: EndedTrialCall,
): Promise<void> => {
  if (!trial) return
  const seconds = Math.max(0, now() - startedMs) / 1000
  await lending.settle({ collectionId: place.collectionId, runKey: key }, seconds).catch(() => {})
}
