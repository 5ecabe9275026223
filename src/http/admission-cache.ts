import { isDatabaseUnavailable } from '../lib/errors.ts'
import { afterAwake, neededInTime } from '../lib/in-time.ts'
import { makeLru } from '../lib/memory/lru.ts'
import { hashToken } from '../lib/secrets/crypto.ts'
import { now } from '../lib/time.ts'
import type { Identity } from '../model/collections/identity.ts'
import {
  type AccessChecks,
  type Admission,
  admit,
  admitPlaced,
  type Credentials,
  credentialText,
  type PlacedAdmission,
} from './authorise.ts'
import type { Endpoint } from './endpoint.ts'

/** A cached admission, with what the database knew when it was asked (up to a minute ago during an outage). */
interface CheckedAdmission extends PlacedAdmission {
  databaseAway: boolean
}

/** The facts that decide about a call to a model. */
interface AdmissionRequest {
  endpoint: Endpoint
  /** Name of the collection; undefined: the home of the key. */
  name: string | undefined
  credentials: Credentials | undefined
  address: string | undefined
}

/** The facts that decide about another call. */
interface CallRequest extends Omit<AdmissionRequest, 'name'> {
  params: Record<string, string>
}

/**
 * How long an answer of the database holds when no change is heard of: a second while this process listens for changes. With
 * 100 ms, a client whose calls are a tenth of a second apart waited for the database each time.
 */
const freshForMs = { listening: 1_000, deaf: 100 }
/**
 * The same for calls that come often: notifications get lost with their connection. A worker whose key is revoked
 * meanwhile may get one more job.
 */
const oftenFreshForMs = { worker: 1_000, start: 100 }
/** How old an answer may be that admits a key while the database is away. */
const knownForMs = 60_000
const mostKnown = 10_000
/** Timeout for keys that were seen within a minute. A frozen database accepts connections and never answers. */
const patienceMs = 2_000
/** Timeout for other keys: only the database knows them. */
const unknownPatienceMs = 5_000

export interface AdmissionCache {
  /** Admits a call to a model. Rejects with the errors of `admitPlaced`. */
  admit(request: AdmissionRequest): CheckedAdmission | Promise<CheckedAdmission>
  /** Admits a call that comes often. Rejects with the errors of `admit`. */
  admitOften(request: CallRequest): Promise<Admission>
  /** The identity of credentials that have just admitted a call: their token need not be looked up for a large body. */
  identityOf(credentials: Credentials): Identity | undefined
  /**
   * Call it when keys, collections or tasks may have changed: each is looked up again with its next call. `isListening` says
   * whether changes by other processes will be heard of; absent: as before.
   */
  doubt(isListening?: boolean): void
}

/** When the database was asked, and the number of `doubt` calls before that. */
interface Asked {
  atMs: number
  doubts: number
}
type Known = CheckedAdmission & Asked

const shortText = 200
/** Keeps short texts as they are: a hash would cost more time than it saves memory. */
export const keptAs = (text: string): string => (text.length <= shortText ? text : hashToken(text))

const keyOf = ({ endpoint, name, credentials }: AdmissionRequest): string =>
  `${keptAs(credentials ? credentialText(credentials) : '')} ${endpoint.access} ${name?.toLowerCase() ?? ''}`

const keyOfCall = ({ endpoint, params }: CallRequest, credentials: Credentials): string =>
  `${keptAs(credentialText(credentials))} ${endpoint.access} ${params.collection?.toLowerCase()}/${params.task?.toLowerCase()}`

/**
 * Whether calls come so often, with the same key, that what admits them is kept: starts of runs, and calls of workers that
 * name no collection. They change nothing that decides about the next one.
 */
export const comeOften = ({ task, access, audited, collection }: Endpoint): boolean => {
  const startsRuns = task && access === 'write' && collection === 'path'
  return !audited && (startsRuns || (access === 'worker' && collection === 'any'))
}

/**
 * Caches admissions. An answer of the database holds until a change is heard of, at most a second, or 100 ms where nobody
 * listens. Calls of keys with a rate limit are counted, so they always ask. During an outage the last answer holds for a
 * minute, for calls to models alone.
 */
export const makeAdmissionCache = (checks: AccessChecks): AdmissionCache => {
  const admitted = makeLru<string, Known>(mostKnown)
  /** The last admission of each credentials, whatever it was for. */
  const identified = makeLru<string, Known>(mostKnown)
  /** What admitted calls that come often. */
  const often = makeLru<string, Admission & Asked>(mostKnown)
  let doubts = 0
  /** A call has timed out, and the database has not answered any call since. */
  let isSilent = false
  let asking = 0
  let holdsMs = freshForMs.deaf

  const isFresh = (
    { atMs, doubts: before, identity }: Asked & Pick<Admission, 'identity'>,
    forMs: number,
    nowMs: number,
  ) => nowMs - atMs < forMs && before === doubts && !(identity?.expiresAt && identity.expiresAt.getTime() <= now())

  const ask = async (request: AdmissionRequest, key: string, likely?: number): Promise<CheckedAdmission> => {
    asking++
    const asked = { atMs: performance.now(), doubts }
    try {
      const { endpoint, name, credentials, address } = request
      const admission = await admitPlaced(checks, endpoint, name, credentials, address, likely)
      const known = { ...admission, databaseAway: false, ...asked }
      admitted.set(key, known)
      if (credentials) identified.set(keptAs(credentialText(credentials)), known)
      isSilent = false
      return known
    } catch (error) {
      if (!isDatabaseUnavailable(error)) {
        admitted.delete(key)
        isSilent = false
      }
      throw error
    } finally {
      asking--
    }
  }

  /** Asks the database. Returns the last answer if the database does not answer. */
  const askOrRecall = async (request: AdmissionRequest, key: string, recent: Known): Promise<CheckedAdmission> => {
    const asWas = { identity: recent.identity, collection: recent.collection, databaseAway: true }
    if (isSilent && asking > 0) return asWas // one waiting call is enough
    const asked = ask(request, key, recent.collection.id).catch((error: unknown) => {
      if (isDatabaseUnavailable(error)) return asWas
      throw error
    })
    let takeBack = () => {}
    const waited = new Promise<CheckedAdmission>((resolve) => {
      const giveUp = () => {
        isSilent = true
        resolve(asWas)
      }
      takeBack = afterAwake(isSilent ? 0 : patienceMs, giveUp)
    })
    return Promise.race([asked, waited]).finally(() => takeBack())
  }

  return {
    admit(request) {
      const key = keyOf(request)
      const last = admitted.get(key)
      const nowMs = performance.now() // monotonic: a change of the system time does not extend an admission
      const recent = last && nowMs - last.atMs < knownForMs ? last : undefined
      if (!recent) return neededInTime(ask(request, key), unknownPatienceMs)
      const isCounted = checks.isLimited?.(recent.identity, recent.collection)
      return !isCounted && isFresh(recent, holdsMs, nowMs) ? recent : askOrRecall(request, key, recent)
    },
    async admitOften(request) {
      const { endpoint, params, credentials, address } = request
      if (credentials?.kind !== 'token') return admit(checks, endpoint, params, credentials, address)
      const key = keyOfCall(request, credentials)
      const last = often.get(key)
      const asked = { atMs: performance.now(), doubts }
      const forMs = oftenFreshForMs[endpoint.access === 'worker' ? 'worker' : 'start']
      if (last && isFresh(last, forMs, asked.atMs)) return last
      const admission = await admit(checks, endpoint, params, credentials, address)
      const { identity, collection, task } = admission
      const isWhole = identity !== undefined && (task !== undefined || !endpoint.task)
      if (isWhole && !checks.isLimited?.(identity, collection)) often.set(key, { ...admission, ...asked })
      return admission
    },
    identityOf(credentials) {
      const last = identified.get(keptAs(credentialText(credentials)))
      return last && isFresh(last, holdsMs, performance.now()) ? last.identity : undefined
    },
    doubt(isListening) {
      doubts++
      if (isListening !== undefined) holdsMs = isListening ? freshForMs.listening : freshForMs.deaf
    },
  }
}
