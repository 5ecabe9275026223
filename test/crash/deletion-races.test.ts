import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { finishDeletions } from '../../src/store/collections/deletion.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { activeRunsOf } from '../../src/store/runs/runs.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { until } from './harness/storm.ts'

let jetty: TestServer
let database: Database
beforeAll(async () => {
  jetty = await startTestServer()
  database = openDatabase(jetty.database.url, { connections: 1 })
})
afterAll(async () => {
  await database?.close()
  await jetty?.close()
})

const echoing = { step_configs: { say: { activity: 'text_echo', text: 'x' } }, steps: ['say'] }
const napping = { step_configs: { nap: { activity: 'sleep', seconds: 30 } }, steps: ['nap'] }

const makeCollection = async (name: string, workflow: object) => {
  await jetty.call('POST', '/api/v1/collections', { name })
  await jetty.call('POST', `/api/v1/tasks/${name}`, { name: 'task', workflow })
}

/** A run is asked for with a file; the body ends only after `meanwhile`. */
const startSlowly = (path: string, meanwhile: () => Promise<unknown>): Promise<{ status: number; body: Body }> =>
  new Promise((resolve, reject) => {
    const call = request(`${jetty.url}/api/v1/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${jetty.server.adminToken}`,
        'content-type': 'multipart/form-data; boundary=edge',
      },
    })
    call.on('error', reject)
    call.on('response', async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) })
    })
    call.write('--edge\r\ncontent-disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhalf')
    void pause(200)
      .then(meanwhile)
      .then(() => call.end(' and half\r\n--edge--\r\n'))
  })

/** Runs, files and keys whose collection is gone. */
const rowsLeft = async (): Promise<string[]> => {
  const rows = await database.query<{ what: string }>(
    `select 'run' what from runs r where not exists (select from collections c where c.id = r.collection_id)
     union all select 'file' from files f where not exists (select from collections c where c.id = f.collection_id)
     union all select 'key' from api_keys k where not exists (select from api_key_collections s where s.key_id = k.id)`,
  )
  return rows.map((row) => row.what)
}

/** Statements that wait for a lock. */
const waiting = async (): Promise<number> => {
  const [row] = await jetty.server.database.query<{ waiting: number }>(
    `select count(*)::int waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return row?.waiting ?? 0
}

/** What the server does each minute. */
const finish = () =>
  finishDeletions(database, {
    objects: jetty.server.objects,
    async cancelRunsOf(id) {
      const active = await activeRunsOf(database, id)
      await jetty.server.engine.requestEnd(active, 'cancelled')
      return active.length
    },
  })

const drop = (name: string) => jetty.call('DELETE', `/api/v1/collections/${name}`)

test('a run whose upload outlasts its collection is not started', async () => {
  await makeCollection('brief', echoing)
  const answer = await startSlowly('run/brief/task', () => drop('brief'))
  expect([answer.status, await rowsLeft()]).toEqual([404, []])
})

test('a run whose upload outlasts a version of the environment gets the one that is there', async () => {
  await makeCollection('changing', echoing)
  const set = (value: string) =>
    jetty.call('PATCH', '/api/v1/collections/changing/environment', { environment_variables: { NAME: value } })
  expect((await set('one')).status).toBe(200)
  await startSlowly('run/changing/task', async () => {
    await set('two')
    await database.query("update environments set created_at = created_at - interval '1 hour'")
    await set('two again')
  })
  const [row] = await database.query<{ missing: number }>(
    `select count(*)::int missing from runs r where name = 'changing/task'
       and not exists (select from environments e where e.id = r.environment_id)`,
  )
  expect(row?.missing).toBe(0)
})

test('a run that was written down just after its collection went is found and removed', async () => {
  await makeCollection('late', echoing)
  const { id } = (await jetty.call('GET', '/api/v1/collections/late')).body
  expect((await drop('late')).status).toBe(204)
  await database.query(
    `with r as (insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params,
       author, status, ended_at) values ('late', '00000001', 'w', $1, 99, 'late/task', 'd', '{}', 'a', 'completed', now()))
     insert into files (path, collection_id, run_id, object, name, content_type, size)
     values ('late/task/0000/x', $1, 'late', '00000000-0000-0000-0000-000000000000', 'x', 'text/plain', 1)`,
    [id],
  )
  await finish()
  expect(await rowsLeft()).toEqual([])
})

test('a collection goes although runs are started in it all the time', async () => {
  await makeCollection('busy', napping)
  let gone = false
  const starter = async () => {
    while (!gone) await jetty.call('POST', '/api/v1/run/busy/task', {})
  }
  const starters = Array.from({ length: 8 }, starter)
  await pause(300)
  const answer = await Promise.race([drop('busy'), pause(60_000).then(() => undefined)])
  gone = true
  await Promise.all(starters)
  expect(answer?.status).toBe(204)
  await finish()
  expect(await rowsLeft()).toEqual([])
})

test('a collection goes although nobody is left to end one of its runs, which follows it later', async () => {
  await makeCollection('stuck', napping)
  await jetty.call('POST', '/api/v1/run/stuck/task', {})
  // The lease of a process that has died a moment ago, and that no living one has noticed yet.
  await database.query(
    `with e as (insert into executors (id, beat_at) values ('somebody', now() + interval '1 hour')),
       l as (insert into leases (id, epoch, owner) values ('dead', 1, 'somebody'))
     insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, lease) select 'stuck', '00000002', 'w', id, 98, 'stuck/task', 'd', '{}', 'a', 'running', 'dead'
     from collections where name = 'stuck'`,
  )
  const answer = await Promise.race([drop('stuck'), pause(60_000).then(() => undefined)])
  expect(answer?.status).toBe(204)
  expect((await jetty.call('GET', '/api/v1/collections/stuck')).status).toBe(404)
  expect(await rowsLeft()).toContain('run')
  // As for a run that comes after the last look: whoever executes it must find its row until it has ended.
  await finishDeletions(database, { cancelRunsOf: async () => 0, objects: jetty.server.objects })
  expect(await rowsLeft()).toContain('run')
  await database.query("update leases set epoch = 0, owner = '' where id = 'dead'")
  await finish()
  expect(await rowsLeft()).toEqual([])
})

test('a key that is made while its collection is being deleted goes with it', async () => {
  await makeCollection('closing', echoing)
  let dropped: ReturnType<typeof drop> | undefined
  await database.transaction(async (queries) => {
    await queries.rows(
      'new_key',
      `with k as (insert into api_keys (home_collection_id, name, key_hash, key_prefix, access_level, created_by)
         select id, 'new', 'h', 'p', 'read', 'me' from collections where name = 'closing' returning id, home_collection_id)
       insert into api_key_collections (key_id, collection_id) select * from k`,
    )
    dropped = drop('closing')
    await until('the deletion to wait', async () => (await waiting()) > 0)
  })
  expect((await dropped)?.status).toBe(204)
  expect(await rowsLeft()).toEqual([])
})

test('tasks and keys that go at the same moment as their collection wait for it in no circle', async () => {
  const statuses = new Set<number>()
  for (let round = 0; round < 40; round++) {
    const name = `crowded-${round}`
    await makeCollection(name, echoing)
    const tasks = ['a', 'b', 'c', 'd']
    const keys = await Promise.all(
      tasks.map(async (task) => {
        await jetty.call('POST', `/api/v1/tasks/${name}`, { name: task, workflow: echoing })
        return (await jetty.call('POST', '/api/v1/api-keys/', { name: task, collection_name: name })).body.id
      }),
    )
    const answers = await Promise.all([
      ...tasks.map((task) => jetty.call('DELETE', `/api/v1/tasks/${name}/${task}`)),
      drop(name),
      ...keys.map((key) => jetty.call('DELETE', `/api/v1/api-keys/${key}`)),
    ])
    for (const { status } of answers) statuses.add(status)
  }
  expect([...statuses].filter((status) => ![200, 204, 404].includes(status))).toEqual([])
  await pause(1_500) // until Postgres has counted
  const [row] = await database.query<{ deadlocks: number }>(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  expect(row?.deadlocks).toBe(0)
})

test('what is made at the moment its collection goes is made, or refused in words', async () => {
  const statuses = new Set<number>()
  for (let round = 0; round < 40; round++) {
    const name = `leaving-${round}`
    await makeCollection(name, echoing)
    const make = (method: string, path: string, body: object) => jetty.call(method, `/api/v1/${path}`, body)
    const answers = await Promise.all([
      ...[1, 2, 3].map((at) => make('POST', 'api-keys/', { name: `new-${at}`, collection_name: name })),
      drop(name),
      ...[4, 5, 6].map((at) => make('POST', 'api-keys/', { name: `new-${at}`, collection_name: name })),
      make('POST', `tasks/${name}`, { name: 'new', workflow: echoing }),
      make('PUT', `tasks/${name}/task`, { description: 'new' }),
      make('PATCH', `collections/${name}/environment`, { environment_variables: { NAME: 'new' } }),
      make('PATCH', `collections/${name}/settings`, { rate_limit_per_minute: 9 }),
      make('POST', `trajectories/${name}/task/ingest`, { output: 1 }),
      make('POST', `trajectories/${name}/evals/ingest`, { output: 1 }),
    ])
    for (const { status, body } of answers) {
      statuses.add(status)
      if (status === 400) expect(body).toBe('a name that is free')
    }
  }
  expect([...statuses].filter((status) => ![200, 201, 204, 404].includes(status))).toEqual([])
  await finish()
  expect(await rowsLeft()).toEqual([])
})
