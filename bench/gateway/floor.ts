import pg from 'pg'
import { median } from '../lib/numbers.ts'

const commits = 2_000
const warmUp = 200

/**
 * Milliseconds (p50) that one row takes from Node into PostgreSQL and onto the disk, one after the other: what nobody
 * can stay below who answers only once a call is on record.
 */
export const commitMs = async (databaseUrl: string): Promise<number> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query('create table bare (id bigint primary key, request text, answer text)')
  const found: number[] = []
  for (let id = 0; id < commits; id++) {
    const began = performance.now()
    await client.query({
      name: 'bare',
      text: 'insert into bare values ($1, $2, $3)',
      values: [id, 'q'.repeat(100), 'a'.repeat(430)],
    })
    if (id >= warmUp) found.push(performance.now() - began)
  }
  await client.end()
  return median(found)
}
