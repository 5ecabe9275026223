// Newer migrations run on loaded rows before the end of the backup tells its counters.
import { Readable } from 'node:stream'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { BackupManifest } from '../../../src/server/backup/manifest.ts'
import { beginLoad, completeLoad } from '../../../src/server/local/restore-server.ts'
import { connectForCopy } from '../../../src/store/database/copy.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let database: TestDatabase
let client: pg.Client
beforeAll(async () => {
  database = await createTestDatabase()
  client = await connectForCopy(database.url, 'jetty restore')
})
afterAll(async () => {
  await client?.end()
  await database?.drop()
})

const unnumbered = ['bucket', 'hash', 'data', 'author']
const rows = (text: string) => Readable.from([Buffer.from(text)])

const idOf = async (name: string): Promise<number> => {
  const { rows } = await client.query(`insert into collections (name) values ($1) returning id`, [name])
  return Number(rows[0].id)
}

it('counters are beyond the loaded rows at once, and what is inserted then keeps its number', async () => {
  const manifest: BackupManifest = {
    ...{ format: 1, id: crypto.randomUUID(), version: '0.0.0', begun_at: new Date().toISOString(), migrations: ['x'] },
    ...{ secret_key_id: null, has_secret_key: false, has_files: true },
    tables: [
      { name: 'collections', columns: ['id', 'name'] },
      { name: 'entities', columns: ['id', 'collection_id', 'kind', 'name', 'is_private'] },
      { name: 'dataset_items', columns: ['dataset_id', 'item_id', 'from_seq', 'position', ...unnumbered] },
    ],
  }
  const load = await beginLoad(client, manifest)
  await load.table('collections', rows('1\tfirst\n2\tsecond\n'))
  await load.table('entities', rows('1\t1\tdataset\tqa\ttrue\n'))
  await load.table('dataset_items', rows('1\ta\t1\t41\t0\thash\t{}\tme\n'))
  await load.commit([])
  const { rows: drawn } = await client.query(`select nextval('dataset_item_positions')::int as position`)
  expect(drawn).toEqual([{ position: 42 }])
  expect(await idOf('of a migration')).toBe(3)
  const sequences = [{ name: 'collections_id_seq', last_value: '2', is_called: true }]
  await completeLoad(client, { sequences, deleted: [], backup: manifest.id, takenAt: manifest.begun_at })
  expect(await idOf('after the restore')).toBe(4)
})
