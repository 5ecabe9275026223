import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Database } from '../database/database.ts'
import { sealingKeySeal } from './sealed-texts.ts'

/** Refuses to start with a key other than the database's: every stored secret would be unreadable. */
export const checkSealingKey = async (database: Database, sealer: Sealer): Promise<void> => {
  await database.rows(
    'note_sealing_key',
    `insert into server (key, value) values ('sealing-key', $1) on conflict do nothing`,
    [sealer.seal('jetty', sealingKeySeal)],
  )
  const [row] = await database.rows<{ value: string }>(
    'read_sealing_key',
    `select value from server where key = 'sealing-key'`,
  )
  try {
    if (row) sealer.open(row.value, sealingKeySeal)
  } catch (cause) {
    throw new AppError('invalid', 'The secrets in this database were encrypted with another key', {
      hint: 'Set JETTY_SECRET_KEY to the key of the other processes, or restore the file secret-key of the data folder.',
      cause,
    })
  }
}
