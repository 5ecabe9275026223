import { LRUCache } from 'lru-cache'
import { afterAwake } from '../lib/after-awake.ts'
import { isDatabaseUnavailable } from '../lib/errors.ts'
import { neededInTime } from '../lib/in-time.ts'
import { hashToken } from '../lib/secrets/crypto.ts'
import { now } from '../lib/time.ts'
import { type AccessChecks, admitPlaced, type PlacedAdmission } from './authorise.ts'
import { type Credentials, credentialText } from './credentials.ts'
import type { Endpoint } from './endpoint.ts'

/** An admission as the database has it, or as it had it within the last minute while it is away. */
export interface CheckedAdmission extends PlacedAdmission {
  databaseAway: boolean
}

/** What an admission follows from. */
export interface AdmissionRequest {
  endpoint: Endpoint
  /** Name of the collection; undefined: the home of the key. */
  name: string | undefined
  credentials: Credentials | undefined
  address: string | undefined
}

/** A busy key is looked up ten times a second, not once a call. */
const freshForMs = 100
/** While the database is away, keys are admitted as they were so short a time ago. */
const knownForMs = 60_000
const mostKnown = 10_000
/** A database that does not answer within this time is away: one that is frozen never refuses a connection. */
const patienceMs = 2_000
/** A key that was not seen lately has to wait for the database. */
const unknownPatienceMs = 5_000

export interface AdmissionCache {
  /** Admits a call to a model. Rejects as `admitPlaced` does. */
  admit(request: AdmissionRequest): CheckedAdmission | Promise<CheckedAdmission>
  /** Something changed that admissions follow from: each key is looked up again at its next call. */
  doubt(): void
}

interface Known extends CheckedAdmission {
  /** When the database was asked, and how many doubts there had been by then. */
  atMs: number
  doubts: number
}

const shortText = 200
/** Short texts are kept as they are: to hash them costs more than the room. */
const keptAs = (text: string): string => (text.length <= shortText ? text : hashToken(text))

const keyOf = ({ endpoint, name, credentials }: AdmissionRequest): string =>
  `${keptAs(credentials ? credentialText(credentials) : '')} ${endpoint.access} ${name?.toLowerCase() ?? ''}`

/**
 * Remembers who was admitted where. An answer of the database holds for 100 ms; calls of keys with a rate limit are
 * counted, so they always ask. While the database is away, what it said within the last minute holds.
 */
export const makeAdmissionCache = (checks: AccessChecks): AdmissionCache => {
  const admitted = new LRUCache<string, Known>({ max: mostKnown })
  let doubts = 0
  /** A call has waited in vain for the database, and no call has had an answer since. */
  let isSilent = false
  let asking = 0

  const isFresh = ({ atMs, doubts: before, identity: { expiresAt } }: Known, nowMs: number): boolean =>
    nowMs - atMs < freshForMs && before === doubts && (expiresAt === null || expiresAt.getTime() > now())

  const ask = async (request: AdmissionRequest, key: string, likely?: number): Promise<CheckedAdmission> => {
    asking++
    const asked = { atMs: performance.now(), doubts }
    try {
      const { endpoint, name, credentials, address } = request
      const admission = await admitPlaced(checks, endpoint, name, credentials, address, likely)
      const known = { ...admission, databaseAway: false, ...asked }
      admitted.set(key, known)
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

  /** Asks the database, and takes the last answer where it is away. */
  const askOrRecall = async (request: AdmissionRequest, key: string, recent: Known): Promise<CheckedAdmission> => {
    const asWas = { identity: recent.identity, collection: recent.collection, databaseAway: true }
    if (isSilent && asking > 0) return asWas // one call that waits is enough
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
      const nowMs = performance.now() // a step of the clock does not make an admission last
      const recent = last && nowMs - last.atMs < knownForMs ? last : undefined
      if (!recent) return neededInTime(ask(request, key), unknownPatienceMs)
      const isCounted = checks.isLimited?.(recent.identity, recent.collection)
      return !isCounted && isFresh(recent, nowMs) ? recent : askOrRecall(request, key, recent)
    },
    doubt: () => void doubts++,
  }
}
