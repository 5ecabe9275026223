// Who pays: collections that a key makes belong to the payer of that key, however long the chain of keys is.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/database/migrate.ts'
import { createDatabase, dropDatabase } from '../../database-server.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { testPostgres } from '../../shared.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_KEY_COLLECTIONS: '6', JETTY_COLLECTION_BYTES: '400KiB' } })
})
afterAll(() => jetty.close())

const payersOf = async (database: Pick<Database, 'query'>): Promise<Record<string, string>> => {
  const rows = await database.query<{ name: string; payer: string }>(
    `select c.name, p.name as payer from collections c join collections p on p.id = c.payer
     union all select 'key ' || k.name, p.name from api_keys k join collections p on p.id = k.payer`,
  )
  return Object.fromEntries(rows.map(({ name, payer }) => [name, payer]))
}

const collection = (name: string, key?: string) => jetty.call('POST', '/api/v1/collections', { name }, key)
const keyFor = async (collection_name: string, name: string, key?: string): Promise<string> =>
  (await jetty.call('POST', '/api/v1/api-keys', { name, collection_name }, key)).body.api_key

it('is the collection that the operator made, for what its keys make, and their keys', async () => {
  await collection('tenant')
  await collection('neighbour')
  const first = await keyFor('tenant', 'first')
  await collection('second', first)
  const below = await keyFor('second', 'below', first)
  await collection('third', below)
  const ofAdmin = await keyFor('third', 'of-admin')
  await collection('fourth', ofAdmin)
  expect(await payersOf(jetty.server.database)).toMatchObject({
    ...{ tenant: 'tenant', neighbour: 'neighbour', second: 'tenant', third: 'tenant', fourth: 'tenant' },
    ...{ 'key first': 'tenant', 'key below': 'tenant', 'key of-admin': 'tenant' },
  })
})

it('is found for the collections and keys of before', async () => {
  const { url: server } = await testPostgres()
  const name = `payers_${randomBytes(6).toString('hex')}`
  const admin = openDatabase(server, { connections: 1 })
  await createDatabase(admin, name)
  const database = openDatabase(Object.assign(new URL(server), { pathname: `/${name}` }).href, { connections: 1 })
  try {
    const all = await jetty.server.database.query<{ name: string }>(
      `select name from schema_migrations where name ~ '^[0-9]{4}_' and name < '0155' order by name`,
    )
    await migrate(database, { only: all.map((one) => one.name) })
    let at = 0
    const next = () => `now() - interval '1 day' + interval '${++at} seconds'`
    const make = (collection_name: string, key?: string) =>
      database.query(
        `with c as (insert into collections (name, created_at) values ('${collection_name}', ${next()}) returning id)
         insert into api_key_collections (key_id, collection_id)
         select k.id, c.id from c, api_keys k where k.name = '${key}'`,
      )
    const makeKey = (key: string, home: string, by?: string) =>
      database.query(
        `with k as (
           insert into api_keys (home_collection_id, name, key_hash, key_prefix, made_by, created_at)
           select id, '${key}', '${key}', '${key}', (select id from api_keys where name = '${by}'), ${next()}
           from collections where name = '${home}' returning id, home_collection_id)
         insert into api_key_collections (key_id, collection_id) select id, home_collection_id from k`,
      )
    await make('tenant')
    await make('neighbour')
    await makeKey('first', 'tenant')
    await make('second', 'first')
    await makeKey('below', 'second', 'first')
    await make('third', 'below')
    await makeKey('of-admin', 'third')
    await make('fourth', 'of-admin')
    await migrate(database)
    expect(await payersOf(database)).toEqual({
      ...{ tenant: 'tenant', neighbour: 'neighbour', second: 'tenant', third: 'tenant', fourth: 'tenant' },
      ...{ 'key first': 'tenant', 'key below': 'tenant', 'key of-admin': 'tenant' },
    })
  } finally {
    await database.close()
    await dropDatabase(admin, name)
    await admin.close()
  }
})

it('bounds how many collections its keys make, and what all of them store', async () => {
  await collection('bounded')
  const key = await keyFor('bounded', 'bounded-key')
  for (let n = 1; n <= 6; n++) expect((await collection(`bounded-${n}`, key)).status).toBe(200)
  const refused = await collection('bounded-7', key)
  expect([refused.status, refused.body.detail]).toEqual([
    429,
    'Your keys have made 6 collections, the most that they may',
  ])
  expect((await collection('one-more')).status).toBe(200)

  const workflow = { step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } }, steps: ['say'] }
  const run = async (name: string) => {
    await jetty.call('POST', `/api/v1/tasks/${name}`, { name: 'echo', workflow }, key)
    const init_params = { text: 'y'.repeat(50_000) }
    return jetty.call('POST', `/api/v1/run-sync/${name}/echo`, { init_params }, key)
  }
  for (let n = 1; n <= 3; n++) expect((await run(`bounded-${n}`)).body.status).toBe('completed')
  const usage = async () => (await jetty.call('GET', '/api/v1/collections/bounded-4/usage', undefined, key)).body
  await expect.poll(async () => (await usage()).together.stored_bytes, { timeout: 20_000 }).toBeGreaterThan(409_600)
  expect(await usage()).toMatchObject({ runs: 0, together: { runs: 3, quota: { stored_bytes: 409_600 } } })
  const full = await run('bounded-4')
  expect([full.status, full.body.detail]).toEqual([
    429,
    expect.stringMatching(/^The collections made with your keys store 4\d\d.* KiB, and their quota is 400 KiB/),
  ])
  await jetty.call('PATCH', '/api/v1/collections/bounded/settings', { quota: { stored_bytes: 1_000_000 } })
  await expect.poll(async () => (await run('bounded-5')).status, { timeout: 20_000 }).toBe(200)
})
