import { randomBytes } from 'node:crypto'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Queries } from '../database/database.ts'
import { change, queryOne, text } from '../database/table.ts'
import { serverValueSeal } from './sealed-texts.ts'

const name = 'callback-key'

const draw = change(
  'draw_callback_key',
  'insert into server (key, value) values ($1, $2) on conflict do nothing',
  (drawn: string) => [name, drawn],
)
const read = queryOne('read_callback_key', { value: text }, 'select value from server where key = $1', () => [name])

/** The key that signs callback URLs, the same in all processes. It is drawn once and outlives a change of the sealing key. */
export const readCallbackKey = async (queries: Queries, sealer: Sealer): Promise<Buffer> => {
  const drawn = sealer.seal(randomBytes(32).toString('base64'), serverValueSeal(name))
  await draw(queries, drawn)
  return Buffer.from(sealer.open((await read(queries))?.value ?? drawn, serverValueSeal(name)), 'base64')
}
