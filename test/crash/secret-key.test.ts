import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { makeSealer } from '../../src/lib/secrets/crypto.ts'
import { loadSettings } from '../../src/lib/settings/config.ts'
import { pause } from '../../src/lib/time.ts'
import { startServer } from '../../src/server/start-server.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { environmentSeal } from '../../src/store/secrets/sealed-texts.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import { makeLeakWatch } from '../leaks/watch.ts'
import type { Body } from '../server.ts'
import { hold } from './harness/hold.ts'

const token = 'admin-token-of-the-secret-key-test'
const variable = 'variable-Kq7-of-acme'
const oneOff = 'one-off-Wx3-of-a-run'
const newKey = () => randomBytes(32).toString('base64')
/** Sealed texts of a server itself: the check of its key, and the key that signs callbacks. */
const ofServer = 2
const idOf = (key: string) => makeSealer([Buffer.from(key, 'base64')]).currentKeyId

let database: TestDatabase
let queries: Database
let dataDir: string

beforeEach(async () => {
  database = await createTestDatabase()
  queries = openDatabase(database.url, { connections: 1 })
  dataDir = mkdtempSync(join(tmpdir(), 'jetty-rotation-'))
})
afterEach(async () => {
  await killJetties()
  await queries.close()
  const leaks = makeLeakWatch()
  leaks.remember('the variable', variable)
  leaks.remember('the secret of a run', oneOff)
  await leaks.check({ databaseUrl: database.url, files: dataDir }).finally(async () => {
    await database.drop()
    rmSync(dataDir, { recursive: true, force: true })
  })
})

interface Process {
  jetty: JettyProcess
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }>
}

const start = async (env: Record<string, string>): Promise<Process> => {
  const settings = { DATABASE_URL: database.url, JETTY_DATA_DIR: dataDir, JETTY_ADMIN_TOKEN: token, ...env }
  const jetty = startJetty(settings)
  const { url } = await jetty.ready
  return { jetty, call: (method, path, body) => callJetty(url, token, method, path, body) }
}

const statusOf = async ({ call }: Process): Promise<Body> => (await call('GET', '/secret-key/rotate')).body

const finished = async (process: Process): Promise<Body> => {
  for (;;) {
    const status = await statusOf(process)
    if (status.state !== 'running') return status
    await pause(20)
  }
}

/** So many collections with an environment, sealed with a key; as if they had been made long ago. */
const manyEnvironments = async (count: number, key: string): Promise<void> => {
  const sealer = makeSealer([Buffer.from(key, 'base64')])
  const rows = await queries.query<{ id: number }>(
    `insert into collections (name) select 'many' || n from generate_series(1, $1) n returning id`,
    [count],
  )
  const ids = rows.map(({ id }) => id)
  const sealed = ids.map((id) => sealer.seal(JSON.stringify([['V', variable]]), environmentSeal(id)))
  await queries.query(
    `with made as (insert into environments (collection_id, sealed)
       select * from unnest($1::bigint[], $2::text[]) returning id, collection_id)
     update collections c set environment_id = made.id from made where made.collection_id = c.id`,
    [ids, sealed],
  )
}

const uses = (path: string) => ({ activity: 'text_echo', text_path: path })
const workflow = {
  init_params: { seconds: 0 },
  step_configs: {
    nap: { activity: 'sleep', seconds_path: 'init_params.seconds' },
    variable: uses('env.V'),
    secret: uses('env.ONE_OFF'),
  },
  steps: ['nap', 'variable', 'secret'],
}
const run = (seconds: number) => ({ init_params: { seconds }, secret_params: { ONE_OFF: oneOff } })

test('while processes answer and execute, everything is sealed anew, and the new key alone is enough afterwards', async () => {
  const [older, newer] = [newKey(), newKey()]
  const before = await start({ JETTY_SECRET_KEY: older })
  await before.call('POST', '/collections', { name: 'acme', environment_variables: { V: variable } })
  await before.call('POST', '/tasks/acme', { name: 'use', workflow })
  await manyEnvironments(1_500, older)
  const refused = await before.call('POST', '/secret-key/rotate')
  expect([refused.status, refused.body.hint]).toEqual([409, expect.stringMatching(/JETTY_SECRET_KEY=new,old.*restart/)])
  const waiting: string[] = []
  for (const seconds of [...Array(15).fill(3_600), ...Array(15).fill(8)]) {
    waiting.push((await before.call('POST', '/run/acme/use', run(seconds))).body.trajectory_id)
  }
  expect(await before.jetty.stop()).toBe(0)

  const during = await start({ JETTY_SECRET_KEY: `${newer},${older}` })
  expect(await statusOf(during)).toMatchObject({
    current_key_id: idOf(newer),
    state: 'idle',
    remaining: 1_500 + 1 + ofServer + waiting.length, // acme's environment; the demo's collection has none
    older_keys_in_use: [idOf(older)],
  })
  let rotating = true
  const load = async (work: () => Promise<boolean>) => {
    let times = 0
    while (rotating || times < 5) {
      expect(await work()).toBe(true)
      times++
    }
  }
  const loads = [
    load(async () => (await during.call('POST', '/run-sync/acme/use', run(0))).body.status === 'completed'),
    load(async () => {
      const answer = await during.call('PATCH', '/collections/acme/environment', {
        environment_variables: { V: variable },
      })
      return answer.status === 200
    }),
    load(async () => (await during.call('GET', '/collections/many7/environment')).body.V === '***'),
  ]
  const begun = await during.call('POST', '/secret-key/rotate')
  expect([begun.status, begun.body.state, begun.body.total]).toEqual([202, 'running', expect.any(Number)])
  const done = await finished(during)
  rotating = false
  await Promise.all(loads)
  expect(done).toMatchObject({ state: 'done', remaining: 0, error: null, older_keys_in_use: [] })
  expect(done.next_step).toMatch(/remove them from JETTY_SECRET_KEY/)
  expect(await during.jetty.stop()).toBe(0)

  const after = await start({ JETTY_SECRET_KEY: newer })
  expect((await after.call('GET', '/collections/many1500/environment')).body).toMatchObject({ V: '***' })
  await queries.query(`update steps set started_at = now() - interval '2 hours' where ended_at is null`)
  await queries.query(`update runs set wake_at = now() where lease is null and ended_at is null`)
  for (const id of waiting) {
    let document = (await after.call('GET', `/db/trajectory/acme/use/${id}`)).body
    for (; document.ended === null; await pause(50)) {
      document = (await after.call('GET', `/db/trajectory/acme/use/${id}`)).body
    }
    expect(document).toMatchObject({ status: 'completed', steps: { secret: { outputs: { text: '***' } } } })
  }
  const old = startJetty({
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: dataDir,
    JETTY_ADMIN_TOKEN: token,
    JETTY_SECRET_KEY: older,
  })
  await expect(old.ready).rejects.toThrow(/encrypted with another key/)
})

test('killed in the middle it goes on when it is asked again; asked by many at once it is done once', async () => {
  const [older, newer] = [newKey(), newKey()]
  await (await start({ JETTY_SECRET_KEY: older })).jetty.stop()
  await manyEnvironments(6_000, older)
  const keys = { JETTY_SECRET_KEY: `${newer},${older}`, JETTY_ROLE: 'api' }
  const first = await start(keys)
  const letGo = await hold(database.url, 'select 1 from environments order by id desc limit 1 for update') // it never ends
  const { total } = (await first.call('POST', '/secret-key/rotate')).body
  expect(total).toBe(6_000 + ofServer)
  while ((await statusOf(first)).resealed === 0) await pause(1)
  first.jetty.child.kill('SIGKILL')
  await first.jetty.exited
  await letGo()

  const [second, third] = [await start(keys), await start(keys)]
  const cut = await statusOf(second)
  expect(cut).toMatchObject({ state: 'failed', error: expect.stringMatching(/ended before it had finished/) })
  expect(cut.remaining).toBeGreaterThan(0)
  expect(cut.remaining).toBeLessThan(total)
  const answers = await Promise.all(
    [second, third, second, third].map(({ call }) => call('POST', '/secret-key/rotate')),
  )
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202])
  const done = await finished(third)
  expect(done).toMatchObject({ state: 'done', total: cut.remaining, resealed: cut.remaining, remaining: 0 })
  expect(await statusOf(second)).toEqual(done)
})

test('a text that no key opens stops it, by name, and nothing is said to be done', async () => {
  const [older, newer, lost] = [newKey(), newKey(), newKey()]
  const jetty = await start({ JETTY_SECRET_KEY: `${newer},${older}`, JETTY_ROLE: 'api' })
  await manyEnvironments(1, lost)
  await jetty.call('POST', '/secret-key/rotate')
  expect(await finished(jetty)).toMatchObject({
    state: 'failed',
    error: expect.stringMatching(new RegExp(`^environments: .*${idOf(lost)}`)),
    remaining: 1,
    older_keys_in_use: [idOf(lost)],
  })
})

test('a key file beside a database that others may share is not changed', async () => {
  const jetty = await start({ JETTY_ROLE: 'api' })
  const file = readFileSync(join(dataDir, 'secret-key'), 'utf8')
  const answer = await jetty.call('POST', '/secret-key/rotate')
  expect([answer.status, answer.body.hint]).toEqual([409, expect.stringMatching(/Set JETTY_SECRET_KEY=new,old/)])
  expect(readFileSync(join(dataDir, 'secret-key'), 'utf8')).toBe(file)
})

test('with the embedded database a new key is made, used at once, and the old one is dropped at the end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-rotation-file-'))
  const settings = loadSettings({ JETTY_DATA_DIR: folder, JETTY_PORT: '0', JETTY_ADMIN_TOKEN: token })
  const log = createLogger({ level: 'silent' })
  const file = () => readFileSync(join(folder, 'secret-key'), 'utf8').trim()
  const old = () => file().split(',')
  const opened = (url: string | undefined) => (method: string, path: string, body?: unknown) =>
    callJetty(url ?? '', token, method, path, body)
  try {
    const server = await startServer({ settings, log, keySettleMs: 1_000 })
    const call = opened(server.url)
    await call('POST', '/collections', { name: 'acme', environment_variables: { V: variable } })
    await call('POST', '/tasks/acme', { name: 'use', workflow })
    const [before] = old()
    expect((await call('POST', '/secret-key/rotate')).body).toMatchObject({ state: 'running', total: 1 + ofServer })
    expect(old()).toEqual([expect.any(String), before])
    expect(old()[0]).not.toBe(before)
    const parked = (await call('POST', '/run/acme/use', run(3_600))).body.trajectory_id
    expect((await call('POST', '/run-sync/acme/use', run(0))).body.status).toBe('completed')
    const status = async () => (await call('GET', '/secret-key/rotate')).body
    while ((await status()).state === 'running') await pause(20)
    expect(await status()).toMatchObject({ state: 'done', remaining: 0, current_key_id: idOf(old()[0] ?? '') })
    expect(old()).toHaveLength(1)
    await server.close()

    const again = await startServer({ settings, log })
    const ask = opened(again.url)
    expect((await ask('POST', '/run-sync/acme/use', run(0))).body.status).toBe('completed')
    expect((await ask('POST', `/trajectory/acme/use/statuses`, { [parked]: 'cancelled' })).status).toBe(200)
    await again.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
