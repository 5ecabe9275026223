import { LRUCache } from 'lru-cache'
import { isDatabaseUnavailable } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets/crypto.ts'
import { afterAwake, now } from '../lib/time.ts'
import { admitPlaced, type Gate, type PlacedAdmission } from './authorise.ts'
import type { Endpoint } from './endpoint.ts'

/** An admission as it was checked against the database, or as it was a moment ago while that is away. */
export interface CheckedAdmission extends PlacedAdmission {
  databaseAway: boolean
}

export interface EarlyAdmission {
  /** What the same token and collection were admitted as within the last minute; undefined: `checked` has to be awaited. */
  known: PlacedAdmission | undefined
  /** What they are admitted as now. Rejects like `admitPlaced`; nothing may be answered before it resolves. */
  checked: CheckedAdmission | Promise<CheckedAdmission>
}

export interface EarlyCall {
  endpoint: Endpoint
  /** Of the collection, where the call names one. */
  name: string | undefined
  /** The value of an Authorization header. */
  header: string | undefined
  address: string | undefined
}

/** What was checked so short a time ago is taken as checked: a busy key is looked up ten times a second, not each time. */
const freshForMs = 100
const knownForMs = 60_000
const mostKnown = 10_000
/** A database that has not answered by then is away: one that is frozen never says so itself. */
const patienceMs = 2_000

export interface EarlyAdmissions {
  admit(call: EarlyCall): EarlyAdmission
  /** Something has changed that admissions may follow from: the next call of each token is checked anew. */
  doubt(): void
}

interface Known extends CheckedAdmission {
  /** When the database was asked, and how many doubts there had been by then. */
  atMs: number
  doubts: number
}

/** Headers are kept as they are where that takes little room. */
const shortHeader = 200
const keptAs = (header: string): string => (header.length <= shortHeader ? header : hashToken(header))

/**
 * Makes the function that admits a call and may let its work begin at once: what was admitted a moment ago very likely
 * still is. The database is asked all the same; whoever begins early has to stop where it says no.
 */
export const makeEarlyAdmission = (gate: Gate): EarlyAdmissions => {
  const admitted = new LRUCache<string, Known>({ max: mostKnown })
  let doubts = 0
  /** Somebody has waited in vain for the database, and it has answered nobody since. */
  let isSilent = false
  let asking = 0

  const isFresh = ({ atMs, doubts: before, identity: { expiresAt } }: Known, nowMs: number): boolean =>
    nowMs - atMs < freshForMs && before === doubts && (expiresAt === null || expiresAt.getTime() > now())

  const admit = ({ endpoint, name, header, address }: EarlyCall): EarlyAdmission => {
    const key = `${keptAs(header ?? '')} ${endpoint.access} ${name?.toLowerCase() ?? ''}`
    const last = admitted.get(key)
    const nowMs = performance.now() // no step of the clock makes an admission last
    const recent = last && nowMs - last.atMs < knownForMs ? last : undefined
    const counted = recent && gate.isLimited?.(recent.identity, recent.collection)
    if (recent && !counted && isFresh(recent, nowMs)) return { known: recent, checked: recent }
    const ask = async (): Promise<CheckedAdmission> => {
      asking++
      const asked = { atMs: performance.now(), doubts }
      try {
        const admission = await admitPlaced(gate, endpoint, name, header, address, recent?.collection.id)
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
    const check = async (): Promise<CheckedAdmission> => {
      if (!recent) return ask()
      const asWas = { identity: recent.identity, collection: recent.collection, databaseAway: true }
      if (isSilent && asking > 0) return asWas // one that waits is enough
      const asked = ask().catch((error: unknown) => {
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
    const checked = check()
    checked.catch(() => {}) // whoever began early may have ended before he asks
    return { known: counted ? undefined : recent, checked }
  }
  return { admit, doubt: () => void doubts++ }
}
