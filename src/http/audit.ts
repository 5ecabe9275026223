import { toAppError } from '../lib/errors.ts'
import type { FoundCollection, Identity } from '../model/collections/identity.ts'
import { Reply } from './reply.ts'

/**
 * Details that only the handler knows. Each member replaces the value that follows from the request. Never a secret.
 */
export interface AuditNote {
  target?: string
  changes?: Record<string, unknown>
  /** The affected collections, if the path names none or several are affected. */
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

/** Stores entries of the audit trail; passed in, because this room does not import the store. */
export interface AuditTrail {
  /** Writes the entry before the change is made. Returns its number. */
  begin(entry: AuditEntry): Promise<number>
  end(id: number, outcome: 'done' | 'failed', note: AuditNote): Promise<unknown>
  /** Removes the entry of a call that was refused and changed nothing. */
  remove(id: number): Promise<unknown>
}

const namesKept = 50
const nameLength = 100

/** Summarizes a body without values that could be secrets: names, and the values of switches and numbers. */
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
 * Makes a change with an entry in the audit trail. The entry is written first: one that stays `begun` shows that the
 * process died before it could write the outcome. A refused call leaves no entry.
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
