import type { PlacedAdmission } from '../http/authorise.ts'
import { newRunKey } from '../lib/ids.ts'
import { now } from '../lib/time.ts'
import type { Lending } from '../store/collections/lending.ts'

/** What one call uses of a trial. */
export interface TrialCall {
  /** Under which key it was counted: that of its record. */
  runKey: string
  /** Names of the keys that are lent to it. */
  lent: readonly string[]
  /** What is left after it, as headers of the answer. */
  headers: Record<string, string>
}

/** Counts a call that asks for keys of the server; undefined where it needs none. Throws `forbidden` as a run does. */
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

/**
 * Notes how long it took: its record may be off, or be written later. A database that is away is not waited for, since
 * the record tells the time as well.
 */
export const endTrialCall = async (
  lending: Lending,
  {
    key,
    place,
    startedMs,
    trial,
  }: { key: string; place: { collectionId: number }; startedMs: number; trial: TrialCall | undefined },
): Promise<void> => {
  if (!trial) return
  const seconds = Math.max(0, now() - startedMs) / 1000
  await lending.settle({ collectionId: place.collectionId, runKey: key }, seconds).catch(() => {})
}
