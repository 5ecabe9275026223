/** State of the move of files from one storage to another, in the database. */
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import type { Queries } from '../database/database.ts'
import { change, queryOne, text } from '../database/table.ts'
import { claimedStorage, moveClaim } from '../installation.ts'

/** A place for the bytes of files. `name` is `folder /path` or `storage s3://bucket`. */
export interface StoragePlace {
  id: string
  name: string
}

const formerKey = 'files-former'
const copyKey = 'files-copy'

const findValue = queryOne(
  'read_server_value',
  { value: text },
  'select value from server where key = $1',
  (key: string) => [key],
)
const readValue = async (queries: Queries, key: string) => (await findValue(queries, key))?.value

const writeValue = change(
  'write_server_value',
  'insert into server (key, value) values ($1, $2) on conflict (key) do update set value = $2',
  (key: string, value: string) => [key, value],
)

const dropValue = change('drop_server_value', 'delete from server where key = $1', (key: string) => [key])

/**
 * Binds the database to a storage. It may change only to or from a storage that files are still read from; then the
 * database remembers that until everything is copied.
 */
export const claimStorage = async (
  queries: Queries,
  current: StoragePlace,
  former?: StoragePlace | undefined,
): Promise<void> => {
  const claimed = await claimedStorage(queries, current.id)
  if (former && claimed === former.id && former.id !== current.id) {
    await writeValue(queries, formerKey, former.id)
    await moveClaim(queries, current.id)
  } else if (claimed !== current.id) throw notOfDatabase(current)
  const pending = await readValue(queries, formerKey)
  if (pending !== undefined && pending !== current.id && pending !== former?.id) throw notCopied()
}

/** Throws `conflict` unless the database is bound to this storage, or to the former one. Binds nothing. */
export const requireClaimed = async (
  queries: Queries,
  current: StoragePlace,
  former: StoragePlace | undefined,
): Promise<void> => {
  const known = [current.id, former?.id]
  const claimed = await readValue(queries, 'files-folder')
  if (claimed !== undefined && !known.includes(claimed)) throw notOfDatabase(current)
  const pending = await readValue(queries, formerKey)
  if (pending !== undefined && !known.includes(pending)) throw notCopied()
}

const notOfDatabase = ({ name }: StoragePlace): AppError =>
  new AppError('conflict', `The ${name} does not contain the files of this database`, {
    hint:
      'All processes with the same DATABASE_URL need the same storage: set JETTY_STORAGE and JETTY_DATA_DIR to those of the ' +
      'others, or mount their folder at files/. To move the files, set JETTY_STORAGE_FROM to where they are. If this ' +
      'storage is the right one, as after a restore, stop the others and run `jetty storage adopt`.',
  })

const notCopied = (): AppError =>
  new AppError('conflict', 'Files of this database are still in the storage that was used before', {
    hint: 'Set JETTY_STORAGE_FROM to that storage again, and run `jetty storage copy` until it says that all are copied.',
  })

const copySchema = z.object({ from: z.string(), to: z.string(), after: z.string(), isFinal: z.boolean() })

/** How far a copy has come. `isFinal`: since its beginning, new files go to the storage that it copies to. */
type CopyPlace = z.output<typeof copySchema>

/** Reads where to go on with a copy: at its beginning, unless the same one was cut short. */
export const readCopyPlace = async (queries: Queries, from: string, to: string): Promise<CopyPlace> => {
  const isFinal = (await readValue(queries, 'files-folder')) === to
  const fresh = { from, to, after: '', isFinal }
  const text = await readValue(queries, copyKey)
  if (text === undefined) return fresh
  const kept = copySchema.parse(JSON.parse(text))
  return kept.from === from && kept.to === to && kept.isFinal === isFinal ? kept : fresh
}

export const keepCopyPlace = (queries: Queries, place: CopyPlace): Promise<unknown> =>
  writeValue(queries, copyKey, JSON.stringify(place))

/** Ends a copy. A final one without faults frees the database from the former storage. */
export const endCopy = async (queries: Queries, isComplete: boolean): Promise<void> => {
  await dropValue(queries, copyKey)
  if (isComplete) await dropValue(queries, formerKey)
}

/** Forgets every former storage: an operator has declared the current one to be the right one. */
export const forgetMove = async (queries: Queries): Promise<void> => {
  await dropValue(queries, copyKey)
  await dropValue(queries, formerKey)
}
