import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { readEvents } from '../../event-stream.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../../jetty-process.ts'

const token = 'admin-token-of-the-secrets-test'
const oneOff = 'one-off secret "quoted" wert-ä/+7'
const kept = 'collection-secret-4711'
const inUrl = 'secretinthepath99'
/** As they are, and as JSON, URLs and base64 write them. */
const forms = [oneOff, kept, inUrl].flatMap((secret) => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').slice(0, -4),
])

let database: TestDatabase
let queries: Database
let dataDir: string
let jetty: JettyProcess
let url: string

beforeAll(async () => {
  database = await createTestDatabase()
  queries = openDatabase(database.url, { connections: 1 })
  dataDir = mkdtempSync(join(tmpdir(), 'jetty-secrets-'))
  jetty = startJetty({
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: dataDir,
    JETTY_ADMIN_TOKEN: token,
    JETTY_LOG_LEVEL: 'trace',
    HOME: dataDir,
  })
  url = (await jetty.ready).url
  await call('POST', '/collections', { name: 'acme', environment_variables: { KEPT: kept } })
})
afterAll(async () => {
  await killJetties()
  await queries?.close()
  await database?.drop()
  rmSync(dataDir, { recursive: true, force: true })
})

const call = (method: string, path: string, body?: unknown) => callJetty(url, token, method, path, body)

/** Every row of every table, as text. */
const everyRow = async (): Promise<string> => {
  const tables = await queries.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema')`,
  )
  expect(tables.length).toBeGreaterThan(20)
  const rows = []
  for (const { name } of tables)
    rows.push(...(await queries.query<{ row: string }>(`select '${name} ' || t::text as row from ${name} t`)))
  return rows.map(({ row }) => row).join('\n')
}

const everyFile = async (): Promise<string> => {
  for (;;) {
    try {
      return readdirSync(dataDir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
        .join('\n')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      await pause(20) // the server has removed one meanwhile
    }
  }
}

const leaks = (text: string): string[] => forms.filter((form) => text.includes(form))

const workflow = {
  init_params: { note: `a note with ${kept} in it` },
  step_configs: {
    use: { activity: 'text_template', template: '{{a}} {{b}}', a_path: 'env.ONE_OFF', b_path: 'env.KEPT' },
    nested: { activity: 'text_echo', text_path: { deep: 'use.outputs.text', list: 'init_params.list' } },
    gate: { activity: 'wait_for_approval', message: 'On?' },
    odd: { activity: 'text_split', text: 'x', chunk_size: 5, unknown_path: 'env.ONE_OFF', unkown: kept },
    out: { activity: 'webhook_notify', url_path: 'env.ADDRESS', payload_path: 'env.ONE_OFF' },
  },
  steps: ['use', 'nested', 'gate', 'odd', 'out'],
}

test('the secrets of a run and of a collection are in no row, file, event, log line or answer', async () => {
  const task = await call('POST', '/tasks/acme', { name: 'secretive', workflow })
  expect(task.status).toBe(201)
  const answer = await call('POST', '/run/acme/secretive', {
    init_params: { list: [oneOff, `x${kept}y`], [oneOff]: 1 },
    secret_params: { ONE_OFF: oneOff, ADDRESS: `http://127.0.0.1:9/${inUrl}` },
  })
  expect(answer.status).toBe(200)
  const { trajectory_id: id, workflow_id: workflowId } = answer.body
  const get = async () => (await call('GET', `/db/trajectory/acme/secretive/${id}`)).body
  const events = readEvents(`${url}/api/v1/trajectory/acme/secretive/${id}/events`, token)

  while (!(await get()).steps.gate) await pause(20)
  const sealed = await queries.query<{ sealed_secrets: string | null }>(
    'select sealed_secrets from runs where trajectory_id = $1',
    [id],
  )
  expect(sealed[0]?.sealed_secrets).toEqual(expect.any(String))
  expect(leaks(await everyFile())).toEqual([])

  const approval = `/trajectory/acme/secretive/${id}/steps/gate/approval`
  while ((await call('POST', approval, { decision: 'approve' })).status !== 200) await pause(20)
  while ((await get()).ended === null) await pause(50)
  const done = await get()
  expect(done).toMatchObject({ status: 'failed', error: expect.stringMatching(/Step 'out' failed/) })
  expect(done.steps.use).toMatchObject({ inputs: { a: '***', b: '***' }, outputs: { text: '*** ***' } })
  expect(done.steps.nested.outputs.text).toEqual({ deep: '*** ***', list: ['***', 'x***y'] })
  expect(done.init_params).toMatchObject({ note: 'a note with *** in it', list: ['***', 'x***y'], '***': 1 })
  expect(done.step_configs.odd.unkown).toBe('***')

  const logs = (await call('GET', `/workflows-logs/${workflowId}`)).body
  const list = (await call('GET', '/db/trajectories/acme/secretive')).body
  const seen = { answer, done, logs, list, events: (await events).events }
  for (const [place, shown] of Object.entries(seen)) expect([place, leaks(JSON.stringify(shown))]).toEqual([place, []])
  expect(leaks(jetty.stdout() + jetty.stderr())).toEqual([])
  expect(jetty.stderr()).not.toContain(token)

  // The task itself is the caller's own text, and stands in its definition as it was sent.
  const [definition] = await queries.query<{ hash: string }>(
    "select definition as hash from tasks where name = 'secretive'",
  )
  await queries.query('delete from tasks')
  await queries.query('delete from definitions where hash = $1', [definition?.hash])
  const rows = await everyRow()
  expect(rows).toContain(id)
  expect(rows.split('\n').filter((row) => leaks(row).length > 0)).toEqual([])
  expect(leaks(await everyFile())).toEqual([])
  const after = await queries.query<{ sealed_secrets: string | null }>(
    'select sealed_secrets from runs where trajectory_id = $1',
    [id],
  )
  expect(after[0]?.sealed_secrets).toBeNull()
}, 60_000)

test('secrets as large as they may be do not keep a run from starting, and are in no log', async () => {
  const large = 'large-secret '.repeat(5_000) // near the 64 KiB of a variable
  await call('POST', '/tasks/acme', { name: 'large', workflow: {} })
  await call('PATCH', '/collections/acme/environment', { environment_variables: { LARGE: large } })
  const { status, body } = await call('POST', '/run-sync/acme/large', {
    init_params: { said: `<${large}>` },
    secret_params: { LARGER: large.repeat(3) },
  })
  expect([status, body.status, body.init_params]).toEqual([200, 'completed', { said: '<***>' }])
  await call('PATCH', '/collections/acme/environment', { environment_variables: { LARGE: null } })
  expect(jetty.stderr()).not.toContain(Buffer.from(large).toString('base64').slice(0, 40))
})

test('a refused body is not repeated in the answer or the log', async () => {
  await call('POST', '/tasks/acme', { name: 'any', workflow: {} })
  const send = async (body: string, type = 'application/json') => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': type }
    return (await fetch(`${url}/api/v1/run/acme/any`, { method: 'POST', headers, body })).text()
  }
  const bodies = [
    `{"secret_params": ${oneOff.slice(0, 7)}}`,
    `{"secret_params": {"A": "${inUrl}"} x}`,
    `{"secret_params": "${inUrl}"}`,
    JSON.stringify({ secret_params: { A: [inUrl] } }),
    JSON.stringify({ secret_params: [kept] }),
  ]
  for (const body of bodies) {
    const text = await send(body)
    expect(text).toMatch(/"detail":\[/)
    expect([...leaks(text), ...['one-off', 'inthepath'].filter((part) => text.includes(part))]).toEqual([])
  }
  expect(leaks(jetty.stderr())).toEqual([])
})
