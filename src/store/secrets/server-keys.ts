import { randomBytes } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Queries } from '../database/database.ts'
import { change, queryOne, text } from '../database/table.ts'
import { sealingKeySeal, serverValueSeal } from './sealed-texts.ts'

const callbackKey = 'callback-key'

const drawCallbackKey = change(
  'draw_callback_key',
  'insert into server (key, value) values ($1, $2) on conflict do nothing',
  (drawn: string) => [callbackKey, drawn],
)
const readDrawn = queryOne('read_callback_key', { value: text }, 'select value from server where key = $1', () => [
  callbackKey,
])

/** The key that signs callback URLs, the same in all processes. It is drawn once and outlives a change of the sealing key. */
export const readCallbackKey = async (queries: Queries, sealer: Sealer): Promise<Buffer> => {
  const drawn = sealer.seal(randomBytes(32).toString('base64'), serverValueSeal(callbackKey))
  await drawCallbackKey(queries, drawn)
  return Buffer.from(sealer.open((await readDrawn(queries))?.value ?? drawn, serverValueSeal(callbackKey)), 'base64')
}

const noteSealingKey = change(
  'note_sealing_key',
  `insert into server (key, value) values ('sealing-key', $1) on conflict do nothing`,
  (sealed: string) => [sealed],
)
const readNoted = queryOne('read_sealing_key', { value: text }, `select value from server where key = 'sealing-key'`)

/** Refuses to start with a key other than the database's: every stored secret would be unreadable. */
export const checkSealingKey = async (database: Queries, sealer: Sealer): Promise<void> => {
  await noteSealingKey(database, sealer.seal('jetty', sealingKeySeal))
  const row = await readNoted(database)
  try {
    if (row) sealer.open(row.value, sealingKeySeal)
  } catch (cause) {
    throw new AppError('invalid', 'The secrets in this database were encrypted with another key', {
      hint: 'Set JETTY_SECRET_KEY to the key of the other processes, or restore the file secret-key of the data folder.',
      cause,
    })
  }
}
