import { makeLru } from '../lib/memory/lru.ts'
import { now } from '../lib/time.ts'
import { keptAs } from './admission-cache.ts'
import { type AccessChecks, type Admission, admit, type Credentials, credentialText } from './authorise.ts'
import type { Endpoint } from './endpoint.ts'

/** The facts that decide about a call. */
interface AdmissionFacts {
  endpoint: Endpoint
  params: Record<string, string>
  credentials: Credentials | undefined
  address: string | undefined
}

interface Known {
  admission: Admission
  /** When the database was asked, and the number of `doubt` calls before that. */
  atMs: number
  doubts: number
}

/**
 * How long an answer of the database holds when no change is heard of: notifications get lost with their connection. A
 * worker whose key is revoked meanwhile may get one more job.
 */
const freshForMs = { worker: 1_000, start: 100 }
const mostKnown = 10_000

export interface KeptAdmissions {
  /** Admits a call. Rejects with the errors of `admit`. */
  admit(request: AdmissionFacts): Promise<Admission>
  /** Call it when keys, collections or tasks may have changed: each is looked up again with its next call. */
  doubt(): void
}

const keyOf = ({ endpoint, params }: AdmissionFacts, credentials: Credentials): string =>
  `${keptAs(credentialText(credentials))} ${endpoint.access} ${params.collection?.toLowerCase()}/${params.task?.toLowerCase()}`

const hasExpired = ({ identity }: Admission): boolean =>
  identity?.expiresAt != null && identity.expiresAt.getTime() <= now()

/**
 * Whether calls come so often, with the same key, that what admits them is kept: starts of runs, and calls of workers that
 * name no collection. They change nothing that decides about the next one.
 */
export const comeOften = ({ task, access, audited, collection }: Endpoint): boolean => {
  const startsRuns = task && access === 'write' && collection === 'path'
  return !audited && (startsRuns || (access === 'worker' && collection === 'any'))
}

/**
 * Caches admissions of calls that come often, with their collection and task. An answer of the database holds until a
 * change is heard of, at most 100 ms, and a second for calls of workers. Calls that a rate limit counts always ask.
 */
export const makeKeptAdmissions = (checks: AccessChecks): KeptAdmissions => {
  const admitted = makeLru<string, Known>(mostKnown)
  let doubts = 0

  const isFresh = ({ access }: Endpoint, { atMs, doubts: before, admission }: Known): boolean => {
    const forMs = freshForMs[access === 'worker' ? 'worker' : 'start']
    return before === doubts && performance.now() - atMs < forMs && !hasExpired(admission)
  }

  const mayKeep = (endpoint: Endpoint, { identity, collection, task }: Admission): boolean =>
    identity !== undefined && (task !== undefined || !endpoint.task) && !checks.isLimited?.(identity, collection)

  return {
    async admit(request) {
      const { endpoint, params, credentials, address } = request
      if (credentials?.kind !== 'token') return admit(checks, endpoint, params, credentials, address)
      const key = keyOf(request, credentials)
      const known = admitted.get(key)
      if (known && isFresh(endpoint, known)) return known.admission
      const asked = { atMs: performance.now(), doubts }
      const admission = await admit(checks, endpoint, params, credentials, address)
      if (mayKeep(endpoint, admission)) admitted.set(key, { admission, ...asked })
      return admission
    },
    doubt: () => void doubts++,
  }
}
