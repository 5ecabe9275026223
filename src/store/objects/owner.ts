import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readOrCreate, replaceFile } from '../../lib/files/exclusive-file.ts'

/** Distinguishes a database from all others, its restored dumps and promoted copies included. */
export interface DatabaseIdentity {
  /** Id stored in a row, which dumps and copies keep. */
  installation: string
  /** Postgres's system identifier, timeline and database oid. */
  origin: string
}

/**
 * Which databases use a file folder. `alone`: only this one, since a time. `copied`: also one with the same
 * installation id and another origin. `shared`: also another installation.
 */
export type Ownership =
  | { state: 'alone'; sinceMs: number }
  | { state: 'copied' | 'shared'; sinceMs?: undefined; others: string[] }

/** A note that a database uses a store, since a time; old notes have no origin. */
export interface DatabaseNote extends Partial<DatabaseIdentity> {
  installation: string
  sinceMs: number
}

const notesOf = (folder: string): string => join(folder, 'databases')

/** Id of a file folder, created on first use and remembered by the database. */
export const folderId = (folder: string): string => readOrCreate(join(folder, 'id'), () => crypto.randomUUID())

/**
 * Reads one line for each database that has used the folder: installation, since when, origin (missing in old lines).
 */
const readNotes = async (folder: string): Promise<DatabaseNote[]> => {
  const text = await readFile(notesOf(folder), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([installation, since]) => installation && since)
    .map(([installation = '', since = '', origin]) => ({
      installation,
      sinceMs: Date.parse(since),
      ...(origin && { origin }),
    }))
}

const isOf = (note: DatabaseNote, { installation, origin }: DatabaseIdentity): boolean =>
  note.installation === installation && note.origin === origin

const lineOf = ({ installation, origin }: DatabaseIdentity, sinceMs: number): string =>
  `${installation} ${new Date(sinceMs).toISOString()} ${origin}\n`

/** Appends a note that this database uses the folder. Safe from several processes. */
const noteDatabase = async (folder: string, identity: DatabaseIdentity): Promise<DatabaseNote[]> => {
  const notes = await readNotes(folder)
  if (notes.some((note) => isOf(note, identity))) return notes
  await appendFile(notesOf(folder), lineOf(identity, Date.now()), { mode: 0o600, flush: true })
  return readNotes(folder)
}

/** Notes that this database uses the folder, and returns which others have. */
export const lookAtOwner = async (folder: string, identity: DatabaseIdentity): Promise<Ownership> =>
  ownershipOf(await noteDatabase(folder, identity), identity)

/** Decides from the notes of a store who uses it. */
export const ownershipOf = (notes: readonly DatabaseNote[], identity: DatabaseIdentity): Ownership => {
  const foreign = notes.filter(({ installation }) => installation !== identity.installation)
  if (foreign.length > 0) return { state: 'shared', others: foreign.map(({ installation }) => installation) }
  const copies = notes.filter(({ origin }) => origin !== undefined && origin !== identity.origin)
  if (copies.length > 0) return { state: 'copied', others: copies.map(({ origin = '' }) => origin) }
  const times = notes.filter(({ origin }) => origin === undefined).map(({ sinceMs }) => sinceMs)
  const since = times.length > 0 ? times : notes.map(({ sinceMs }) => sinceMs)
  // A truncated line has no time; without one nothing counts as older.
  return since.every(Number.isFinite)
    ? { state: 'alone', sinceMs: Math.max(...since) }
    : { state: 'shared', others: [] }
}

/** Makes this database the folder's only owner. Another one that still uses it notes itself again and is detected. */
export const adoptFolder = async (folder: string, identity: DatabaseIdentity): Promise<void> => {
  const times = (await readNotes(folder))
    .filter(({ installation, sinceMs }) => installation === identity.installation && Number.isFinite(sinceMs))
    .map(({ sinceMs }) => sinceMs)
  replaceFile(notesOf(folder), lineOf(identity, Math.min(Date.now(), ...times)))
}
