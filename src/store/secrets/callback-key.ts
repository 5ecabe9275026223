import { randomBytes } from 'node:crypto'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { Queries } from '../database/database.ts'
import { serverValueSeal } from './sealed-texts.ts'

const name = 'callback-key'

/** The key that signs callback URLs, the same in all processes. It is drawn once and outlives a change of the sealing key. */
export const readCallbackKey = async (queries: Queries, sealer: Sealer): Promise<Buffer> => {
  const drawn = sealer.seal(randomBytes(32).toString('base64'), serverValueSeal(name))
  await queries.rows('draw_callback_key', `insert into server (key, value) values ($1, $2) on conflict do nothing`, [
    name,
    drawn,
  ])
  const [row] = await queries.rows<{ value: string }>('read_callback_key', 'select value from server where key = $1', [
    name,
  ])
  return Buffer.from(sealer.open(row?.value ?? drawn, serverValueSeal(name)), 'base64')
}
