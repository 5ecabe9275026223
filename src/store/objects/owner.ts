import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readOrCreate, replaceFile } from '../../lib/files/exclusive-file.ts'

/** What tells one database from every other one, its restored dumps and promoted copies included. */
export interface DatabaseIdentity {
  /** A row of the database, which dumps and copies keep. */
  installation: string
  /** Postgres's own: system identifier, timeline and object id of the database. */
  origin: string
}

/**
 * Which database a folder of files belongs to. `alone`: this one, since a time. `copied`: the folder was also used under
 * the same installation by a database of another origin. `shared`: another installation uses it too.
 */
export type Ownership =
  | { state: 'alone'; sinceMs: number }
  | { state: 'copied' | 'shared'; sinceMs?: undefined; others: string[] }

interface Note extends Partial<DatabaseIdentity> {
  installation: string
  sinceMs: number
}

const notesOf = (folder: string): string => join(folder, 'databases')

/** The name of a folder of files, drawn at its first use: the database remembers it. */
export const folderId = (folder: string): string => readOrCreate(join(folder, 'id'), () => crypto.randomUUID())

/** A line for each database that has used the folder: installation, since when, origin (missing in old lines). */
const readNotes = async (folder: string): Promise<Note[]> => {
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

const isOf = (note: Note, { installation, origin }: DatabaseIdentity): boolean =>
  note.installation === installation && note.origin === origin

const lineOf = ({ installation, origin }: DatabaseIdentity, sinceMs: number): string =>
  `${installation} ${new Date(sinceMs).toISOString()} ${origin}\n`

/** Notes that this database uses the folder. Several processes may do so at the same time. */
const noteDatabase = async (folder: string, identity: DatabaseIdentity): Promise<Note[]> => {
  const notes = await readNotes(folder)
  if (notes.some((note) => isOf(note, identity))) return notes
  await appendFile(notesOf(folder), lineOf(identity, Date.now()), { mode: 0o600, flush: true })
  return readNotes(folder)
}

/** Notes that this database uses the folder, and says which others have. */
export const lookAtOwner = async (folder: string, identity: DatabaseIdentity): Promise<Ownership> => {
  const notes = await noteDatabase(folder, identity)
  const foreign = notes.filter(({ installation }) => installation !== identity.installation)
  if (foreign.length > 0) return { state: 'shared', others: foreign.map(({ installation }) => installation) }
  const copies = notes.filter(({ origin }) => origin !== undefined && origin !== identity.origin)
  if (copies.length > 0) return { state: 'copied', others: copies.map(({ origin = '' }) => origin) }
  const times = notes.filter(({ origin }) => origin === undefined).map(({ sinceMs }) => sinceMs)
  const since = times.length > 0 ? times : notes.map(({ sinceMs }) => sinceMs)
  // A line that was cut off has no time: without one, nothing is older than it.
  return since.every(Number.isFinite)
    ? { state: 'alone', sinceMs: Math.max(...since) }
    : { state: 'shared', others: [] }
}

/** Makes the folder this database's alone. Another one that still uses it notes itself again and is seen. */
export const adoptFolder = async (folder: string, identity: DatabaseIdentity): Promise<void> => {
  const times = (await readNotes(folder))
    .filter(({ installation, sinceMs }) => installation === identity.installation && Number.isFinite(sinceMs))
    .map(({ sinceMs }) => sinceMs)
  replaceFile(notesOf(folder), lineOf(identity, Math.min(Date.now(), ...times)))
}
