import { toAppError } from '../lib/errors.ts'
import type { FoundCollection, Identity } from '../model/collections/identity.ts'
import { Reply } from './reply.ts'

/** What a handler knows better than its request: each part that is given replaces what was assumed. Never a secret. */
export interface AuditNote {
  target?: string
  changes?: Record<string, unknown>
  /** The collections that it concerned, where the path names none or it is more than one. */
  collections?: readonly Pick<FoundCollection, 'id' | 'name'>[]
}

/** A change that is about to be made. */
export interface AuditEntry {
  identity: Identity | undefined
  collection: Pick<FoundCollection, 'id' | 'name'> | undefined
  operation: string
  target: string
  changes: Record<string, unknown>
}

/** Where changes are written down: http knows no store. */
export interface AuditTrail {
  /** Written before the change is made; gives the number of the entry. */
  begin(entry: AuditEntry): Promise<number>
  end(id: number, outcome: 'done' | 'failed', note: AuditNote): Promise<void>
  /** The call was refused and changed nothing: the entry goes. */
  remove(id: number): Promise<void>
}

const namesKept = 50
const nameLength = 100

/** What a body changes, without a value that could be a secret: names, and the values of switches and numbers. */
export const changesOf = (body: unknown): Record<string, unknown> => {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return {}
  const given = Object.entries(body).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    given.slice(0, namesKept).map(([name, value]) => {
      const harmless = typeof value === 'boolean' || typeof value === 'number' || value === null
      return [name.slice(0, nameLength), harmless ? value : 'set']
    }),
  )
}

/**
 * Makes a change with its entry in the audit trail. The entry is there before anything is changed: one that stays
 * `begun` says that nobody was left to write down how it ended. A call that is refused leaves none.
 */
export const recorded = async (
  trail: AuditTrail,
  entry: AuditEntry,
  note: AuditNote,
  work: () => Promise<unknown>,
  lost: (error: unknown) => void,
): Promise<unknown> => {
  const id = await trail.begin(entry)
  try {
    const answer = await work()
    const refused = answer instanceof Reply && (answer.status ?? 200) >= 400
    await (refused ? trail.remove(id) : trail.end(id, 'done', note)).catch(lost)
    return answer
  } catch (thrown) {
    const refused = toAppError(thrown).status < 500
    await (refused ? trail.remove(id) : trail.end(id, 'failed', note)).catch(lost)
    throw thrown
  }
}
