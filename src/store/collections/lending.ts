import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { LentKeys, Trial, TrialLeft } from '../../model/collections/trial.ts'
import { providerKeyNames } from '../../model/gateway/provider-keys.ts'
import type { Database } from '../database/database.ts'
import { readEnvironmentVersion } from './environments.ts'
import {
  beginTrial,
  isTrialFree,
  readTrial,
  releaseTrialRun,
  renewTrialRuns,
  reserveTrialRun,
  settleTrialRun,
  type TrialUse,
  trialOfRun,
} from './trials.ts'

/** Terms of a trial; see the settings of these names. */
interface TrialTerms {
  trialRuns: number
  trialMinutes: number
  trialDays: number
  trialCollections: number
}

/** A run or gateway call that asks for the server's keys. */
export interface Borrower {
  collectionId: number
  environmentId: number | null
  /** Secrets sent with the request: a provider key among them counts as its own. */
  secrets: Record<string, string>
  runKey: string
  /** No step can call a model: the run neither starts a trial nor is refused without one. */
  asksNoModel?: boolean
}

export interface Loan {
  /** Names of the keys it may use. */
  lent: readonly string[]
  trial: TrialLeft
}

/** Lends the server's keys to a limited number of runs of a collection without keys. */
export interface Lending {
  trial(collectionId: number): Promise<Trial>
  /** Starts a trial. Throws `bad_request` when there are no keys to lend or the trial is used up. */
  activate(collectionId: number): Promise<Trial>
  /** Names of the keys that `reserve` would lend; throws `forbidden` when it would. Changes nothing. */
  check(borrower: Borrower): Promise<readonly string[]>
  /**
   * Counts a run that is about to start, and returns the keys lent to it; undefined if it needs none. The first run of
   * a collection without a key starts its trial. Idempotent for the same run. Throws `forbidden` if the collection has
   * no key of its own, and its trial is used up or absent.
   */
  reserve(borrower: Borrower): Promise<Loan | undefined>
  /** Releases the reservation of a run that was not stored after all. */
  release(runKey: string): Promise<unknown>
  /** Extends the reservations of calls still under way; a reservation that is not extended expires. */
  renew(calls: readonly { collectionId: number; runKey: string }[]): Promise<unknown>
  /** Records the duration of a call that may leave no run. */
  settle(call: { collectionId: number; runKey: string }, seconds: number): Promise<unknown>
  /** Reads the rest of the trial after a run; undefined if the run uses no lent keys. */
  leftAfter(runKey: string): Promise<TrialLeft | undefined>
}

const dayMs = 86_400_000

const stateOf = (use: TrialUse | undefined, terms: TrialTerms, providers: readonly string[]): Trial => {
  const minutes = Math.floor((use?.seconds ?? 0) / 60)
  const expiresAt = use && new Date(use.activated_at.getTime() + terms.trialDays * dayMs)
  const isOver = !use || providers.length === 0 || (expiresAt !== undefined && expiresAt.getTime() <= now())
  const left = {
    runs_remaining: isOver ? 0 : Math.max(0, terms.trialRuns - use.runs),
    minutes_remaining: isOver ? 0 : Math.max(0, terms.trialMinutes - minutes),
  }
  const isUsedUp = use !== undefined && (use.runs >= terms.trialRuns || minutes >= terms.trialMinutes)
  const begun = isUsedUp ? 'exhausted' : isOver ? 'expired' : 'active'
  const status = providers.length === 0 ? 'unavailable' : use ? begun : 'inactive'
  return {
    active: status === 'active',
    status,
    runs_used: use?.runs ?? 0,
    runs_limit: terms.trialRuns,
    ...left,
    minutes_used: minutes,
    minutes_limit: terms.trialMinutes,
    activated_at: use ? timestamp(use.activated_at) : null,
    expires_at: expiresAt ? timestamp(expiresAt) : null,
    providers: [...providers],
  }
}

const leftOf = ({ runs_used, runs_limit, runs_remaining, minutes_remaining }: Trial): TrialLeft => ({
  runs_used,
  runs_limit,
  runs_remaining,
  minutes_remaining,
})

const addOwnKeys = `Add your own API keys to the environment of the collection (${providerKeyNames.join(', ')})`

const unavailable = (reason: string): AppError =>
  new AppError('bad_request', 'Trial keys are not available on this server', { hint: `${reason}${addOwnKeys}.` })

/** Explains why no trial is active, for a person who could change that. */
const whyInactive = ({ status, expires_at: at }: Trial, { trialCollections: most }: TrialTerms): string => {
  if (status === 'expired') return `It expired at ${at}. `
  if (status === 'unavailable') return 'This server has no trial keys: its operator sets them in JETTY_TRIAL_KEYS. '
  return `All trials that JETTY_TRIAL_COLLECTIONS allows (${most}) are in use. `
}

const refusal = (trial: Trial, terms: TrialTerms): AppError => {
  if (trial.status !== 'exhausted') {
    return new AppError('forbidden', 'Trial is not active for this collection', {
      hint: `${whyInactive(trial, terms)}${addOwnKeys}, or omit use_trial_keys.`,
    })
  }
  const { runs_used: runs, runs_limit: mostRuns, minutes_used: minutes, minutes_limit: mostMinutes } = trial
  const used = runs >= mostRuns ? `${runs} of ${mostRuns} runs` : `${minutes} of ${mostMinutes} minutes`
  return new AppError('forbidden', `Trial limit reached: ${used} used. ${addOwnKeys}`, {
    hint: 'With its own key, and without use_trial_keys, the number of runs of the collection is not limited.',
  })
}

export const makeLending = ({
  database,
  sealer,
  lentKeys,
  terms,
}: {
  database: Database
  sealer: Sealer
  lentKeys: LentKeys
  terms: TrialTerms
}): Lending => {
  const stateNow = (use: TrialUse | undefined): Trial => stateOf(use, terms, lentKeys.names)
  const trial = async (collectionId: number): Promise<Trial> => stateNow(await readTrial(database, collectionId))

  /** Determines which keys could be lent, and whether the borrower has one of its own. */
  const needOf = async ({ environmentId, secrets }: Borrower): Promise<{ missing: string[]; hasOwn: boolean }> => {
    const variables = await readEnvironmentVersion(database, sealer, environmentId)
    const given = new Map(Object.entries(secrets))
    const ownValue = (name: string) => given.get(name) ?? variables.get(name)
    const missing = lentKeys.missingIn(ownValue)
    const isKnown = providerKeyNames.some((name) => ownValue(name)?.trim())
    return { missing, hasOwn: isKnown || missing.length < lentKeys.names.length }
  }

  const reserveIn = async (borrower: Borrower): Promise<{ reserved: boolean; state: Trial }> => {
    const { use, reserved } = await reserveTrialRun(database, borrower, (before) => stateNow(before).active)
    return { reserved, state: stateNow(use) }
  }

  return {
    trial,

    async activate(collectionId) {
      if (lentKeys.names.length === 0) throw unavailable('')
      await beginTrial(database, collectionId, terms.trialCollections)
      const begun = await trial(collectionId)
      if (begun.active) return begun
      if (begun.status === 'inactive') {
        throw unavailable(`All trials that JETTY_TRIAL_COLLECTIONS allows (${terms.trialCollections}) are in use. `)
      }
      throw new AppError('bad_request', 'Trial already used', { hint: `${addOwnKeys}.` })
    },

    async check(borrower) {
      const [{ missing, hasOwn }, state] = await Promise.all([needOf(borrower), trial(borrower.collectionId)])
      if (state.active) return missing
      if (hasOwn || borrower.asksNoModel) return []
      const begins = state.status === 'inactive' && (await isTrialFree(database, terms.trialCollections))
      if (begins) return missing // the run begins the trial
      throw refusal(state, terms)
    },

    async reserve(borrower) {
      const { missing, hasOwn } = await needOf(borrower)
      if (hasOwn && missing.length === 0) return undefined
      const first = await reserveIn(borrower)
      if (first.reserved) return { lent: missing, trial: leftOf(first.state) }
      if (hasOwn || borrower.asksNoModel) return undefined
      if (first.state.status !== 'inactive') throw refusal(first.state, terms)
      await beginTrial(database, borrower.collectionId, terms.trialCollections)
      const begun = await reserveIn(borrower)
      if (begun.reserved) return { lent: missing, trial: leftOf(begun.state) }
      throw refusal(begun.state, terms)
    },

    renew: (calls) => renewTrialRuns(database, calls),
    release: (runKey) => releaseTrialRun(database, runKey),
    settle: (call, seconds) => settleTrialRun(database, call, seconds),

    async leftAfter(runKey) {
      const use = await trialOfRun(database, runKey)
      return use && leftOf(stateNow(use))
    },
  }
}
