import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Database } from '../database/database.ts'
import { change, queryOne, text } from '../database/table.ts'
import { sealingKeySeal } from './sealed-texts.ts'

const note = change(
  'note_sealing_key',
  `insert into server (key, value) values ('sealing-key', $1) on conflict do nothing`,
  (sealed: string) => [sealed],
)
const read = queryOne('read_sealing_key', { value: text }, `select value from server where key = 'sealing-key'`)

/** Refuses to start with a key other than the database's: every stored secret would be unreadable. */
export const checkSealingKey = async (database: Database, sealer: Sealer): Promise<void> => {
  await note(database, sealer.seal('jetty', sealingKeySeal))
  const row = await read(database)
  try {
    if (row) sealer.open(row.value, sealingKeySeal)
  } catch (cause) {
    throw new AppError('invalid', 'The secrets in this database were encrypted with another key', {
      hint: 'Set JETTY_SECRET_KEY to the key of the other processes, or restore the file secret-key of the data folder.',
      cause,
    })
  }
}
