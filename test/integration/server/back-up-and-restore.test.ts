// Backs a working server up with the command line, restores it elsewhere, and compares.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../../../src/lib/log.ts'
import { loadSettings } from '../../../src/lib/settings/config.ts'
import { type Server, startServer } from '../../../src/server/start-server.ts'
import { connectForCopy } from '../../../src/store/database/copy.ts'
import { readTables } from '../../../src/store/database/tables.ts'
import { holdRemovals } from '../../../src/store/objects/overlay.ts'
import { openShell, type Shell } from '../../cli/shell.ts'
import { createDatabase, dropDatabase } from '../../database-server.ts'
import { killJetties, startJetty } from '../../jetty-process.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { testPostgres } from '../../shared.ts'
import { startReceiver, type WebhookReceiver } from '../../webhook-receiver.ts'

const passphrase = 'a passphrase of this test'
const name = `restored_${process.pid}`
const secretKey = randomBytes(32).toString('base64')

let source: TestServer
let shell: Shell
let receiver: WebhookReceiver
let isReceiving = false
let isClosed = false
let folder: string
let restored: Server | undefined
let target: Record<string, string>
let facts: Awaited<ReturnType<typeof fill>>
const file = (of: string) => join(folder, of)
const here = () => ({
  DATABASE_URL: source.database.url,
  JETTY_DATA_DIR: source.dataDir,
  JETTY_SECRET_KEY: secretKey,
  JETTY_BACKUP_PASSPHRASE: passphrase,
})

/** A completed run with files, one that registered a dataset, one that waits, a webhook that is not delivered, a routine, and an uploaded file. */
const fill = async () => {
  const note = { activity: 'text_echo', text_path: 'init_params.text' }
  const says = await source.task({ init_params: { text: 'kept\t\\N\n"é' }, step_configs: { note }, steps: ['note'] })
  const gate = { activity: 'wait_for_approval', message: 'May it go on?' }
  const asks = await source.task({ init_params: {}, step_configs: { gate }, steps: ['gate'] })
  const done = (await source.start(says, { webhook_url: `${receiver.url}/told` })).trajectory_id
  await source.until(says, done, ({ status }) => status === 'completed')
  await expect.poll(() => receiver.of(done).length).toBeGreaterThan(0)
  const open = (await source.start(asks)).trajectory_id
  await expect.poll(async () => (await source.call('GET', '/api/v1/approvals/acme')).body.approvals.length).toBe(1)
  const make = { activity: 'register_dataset', name: 'made', items: [{ id: 'a', text: 'one' }] }
  expect((await source.run({ step_configs: { make }, steps: ['make'] })).status).toBe('completed')
  const routine = { name: 'hourly', cadence: { type: 'hourly', minute_utc: 0 } }
  expect((await source.call('POST', `/api/v1/routines/acme/${says}`, routine)).status).toBe(201)
  const form = new FormData()
  form.append('file', new Blob([randomBytes(300_000)]), 'large.bin')
  form.append('purpose', 'user_data')
  form.append('collection', 'acme')
  const upload = (await source.call('POST', '/api/v1/files', form)).body.id
  return { says, asks, done, open, upload }
}

/** A digest of the rows of each table, but for what belongs to one installation. */
const digests = async (url: string): Promise<Record<string, string>> => {
  const client = await connectForCopy(url, 'jetty test')
  const found: Record<string, string> = {}
  const counted = ['webhook_queue', 'webhook_attempts', 'collection_usage']
  const changing = [
    ...counted,
    'server',
    'executors',
    'sessions',
    'sign_in_codes',
    'schema_migrations',
    'write_probe',
    'audit',
    'leases',
    'runs',
  ]
  for (const table of (await readTables(client)).filter((one) => !changing.includes(one.name))) {
    const { rows } = await client.query(
      `select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as d from ${table.name} t`,
    )
    found[table.name] = rows[0].d
  }
  const { rows } = await client.query(
    `select md5(string_agg((to_jsonb(r) - 'lease')::text, '|' order by id)) as d from runs r`,
  )
  await client.end()
  return { ...found, runs: rows[0].d }
}

const ask = async (server: Server, method: string, path: string, body?: object): Promise<Body> => {
  const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  return answer.headers.get('content-type')?.startsWith('application/json') ? answer.json() : answer.arrayBuffer()
}
const trajectory = (server: Server, task: string, id: string) =>
  ask(server, 'GET', `/api/v1/db/trajectory/acme/${task}/${id}`)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-backups-'))
  receiver = await startReceiver((answer) => answer.writeHead(isReceiving ? 204 : 503).end())
  const env = { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1', JETTY_SECRET_KEY: secretKey }
  source = await startTestServer({ env })
  shell = openShell(source.url, source.server.adminToken)
  const { url } = await testPostgres()
  await createDatabase(url, name)
  target = {
    ...env,
    DATABASE_URL: url.replace(/[^/]+$/, name),
    JETTY_DATA_DIR: file('data'),
    JETTY_PORT: '0',
    JETTY_WEB: 'off',
  }
})
afterAll(async () => {
  await killJetties()
  await restored?.close()
  shell?.close()
  receiver?.close()
  if (!isClosed) await source?.close()
  await dropDatabase((await testPostgres()).url, name)
  rmSync(folder, { recursive: true, force: true })
})

describe('jetty backup', { timeout: 180_000 }, () => {
  it('writes one encrypted file that nobody else may read, and no second one over it', async () => {
    facts = await fill()
    const made = await shell.jetty(['backup', file('one'), '--json'], { env: here() })
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.json()).toMatchObject({ objects: 1, object_bytes: 300_000, is_encrypted: true, has_secret_key: false })
    expect(statSync(file('one')).mode & 0o777).toBe(0o600)
    expect(readFileSync(file('one')).includes('kept')).toBe(false)
    const again = await shell.jetty(['backup', file('one')], { env: here() })
    expect([again.code, again.stderr]).toMatchObject([2, expect.stringContaining('exists already')])
    const withKey = { ...here(), JETTY_BACKUP_PASSPHRASE: '' }
    const plain = await shell.jetty(['backup', file('plain'), '--with-secret-key'], { env: withKey })
    expect([plain.code, plain.stderr]).toMatchObject([2, expect.stringContaining('must be encrypted')])
    expect((await shell.jetty(['backup', file('plain')], { env: withKey })).code).toBe(0)
  })

  it('is checked by a dry run, which finds each kind of damage', async () => {
    const check = (of: string, env = here()) => shell.jetty(['restore', '--dry-run', file(of), '--json'], { env })
    const found = await check('one')
    expect([found.code, found.json()]).toMatchObject([0, { objects: 1, lost: [], damaged: [] }])
    const wrong = await check('one', { ...here(), JETTY_BACKUP_PASSPHRASE: 'another passphrase' })
    expect([wrong.code, wrong.stderr]).toMatchObject([2, expect.stringContaining('passphrase does not fit')])
    const bytes = readFileSync(file('plain'))
    const changed = Buffer.from(bytes)
    const at = bytes.indexOf('objects/') + 600 // within the bytes of the file
    changed[at] = (changed[at] ?? 0) ^ 1
    writeFileSync(file('changed'), changed)
    writeFileSync(file('cut'), bytes.subarray(0, bytes.length - 4096))
    for (const [of, said] of [
      ['changed', 'its hash is wrong'],
      ['cut', 'cut off'],
    ] as const) {
      const damaged = await check(of)
      expect([damaged.code, damaged.stderr]).toMatchObject([2, expect.stringContaining(said)])
    }
  })

  it('copies only new files into a folder, and keeps as many backups there as it is told', async () => {
    const made = []
    for (let n = 0; n < 2; n++) {
      made.push(await shell.jetty(['backup', `${file('many')}/`, '--keep', '1', '--json'], { env: here() }))
    }
    expect(made.map((one) => [one.code, one.stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])
    expect(made[0]?.json()).toMatchObject({ objects: 1, objects_copied: 1, removed_backups: 0 })
    expect(made[1]?.json()).toMatchObject({ objects: 1, objects_copied: 0, removed_backups: 1, removed_objects: 0 })
    const found = await shell.jetty(['restore', '--dry-run', file('many'), '--json'], { env: here() })
    expect([found.code, found.json()]).toMatchObject([0, { objects: 1, object_bytes: 300_000, is_encrypted: true }])
    const plain = await shell.jetty(['backup', file('many')], { env: { ...here(), JETTY_BACKUP_PASSPHRASE: '' } })
    expect([plain.code, plain.stderr]).toMatchObject([2, expect.stringContaining('are encrypted')])
  })

  it('keeps the bytes of files that are deleted while it reads', async () => {
    const client = await connectForCopy(source.database.url, 'jetty test')
    const { id } = await source.server.objects.put(Buffer.from('kept'), { maxBytes: 100 })
    await holdRemovals(client)
    await source.server.objects.remove([id])
    expect(await source.server.objects.sizeOf(id)).toBe(4)
    await client.end()
    await expect
      .poll(async () => {
        await source.server.objects.remove([id])
        return source.server.objects.sizeOf(id)
      })
      .toBeUndefined()
  })
})

describe('jetty restore', { timeout: 180_000 }, () => {
  it('refuses a server that is in use, and one without the key of the secrets', async () => {
    const used = await shell.jetty(['restore', file('one')], { env: here() })
    expect([used.code, used.stderr]).toMatchObject([2, expect.stringContaining('is not empty')])
    const env = { ...target, JETTY_BACKUP_PASSPHRASE: passphrase, JETTY_SECRET_KEY: randomBytes(32).toString('base64') }
    const other = await shell.jetty(['restore', file('one')], { env })
    expect([other.code, other.stderr]).toMatchObject([2, expect.stringContaining('need the encryption key')])
  })

  it('refuses an empty database on which a server runs', async () => {
    const worker = startJetty({ ...target, JETTY_ROLE: 'worker' }) // it makes no collection
    await worker.ready
    const env = { ...target, JETTY_BACKUP_PASSPHRASE: passphrase }
    const made = await shell.jetty(['restore', file('one')], { env })
    await worker.stop()
    expect([made.code, made.stderr]).toMatchObject([2, expect.stringContaining('A server is running on the database')])
  })

  it('brings back every row and every byte, as another installation', async () => {
    const before = await digests(source.database.url)
    const env = { ...target, JETTY_BACKUP_PASSPHRASE: passphrase }
    const made = await shell.jetty(['restore', file('one'), '--json'], { env })
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(await digests(target.DATABASE_URL ?? '')).toEqual(before)
    const { says, done, upload } = facts
    const document = JSON.stringify(await source.get(says, done))
    const headers = { authorization: `Bearer ${source.server.adminToken}` }
    const bytes = await (await fetch(`${source.url}/api/v1/files/${upload}/content`, { headers })).arrayBuffer()
    const installation = `select value from server where key = 'installation'`
    const former = await source.server.database.query(installation)
    await source.close() // one process has one worker
    isClosed = true
    restored = await startServer({ settings: loadSettings(target), log: createLogger({ level: 'silent' }) })
    const { url } = restored
    const { edges } = await ask(restored, 'GET', '/api/v1/lineage/acme?dataset=made')
    expect(edges).toContainEqual(expect.objectContaining({ kind: 'produced', dataset_version: 1 }))
    expect(await trajectory(restored, says, done)).toEqual(JSON.parse(document.replaceAll(source.url, url ?? '')))
    const content = Buffer.from(await ask(restored, 'GET', `/api/v1/files/${upload}/content`))
    expect(content.equals(Buffer.from(bytes))).toBe(true)
    expect(await restored.database.query(installation)).not.toEqual(former)
    expect((await restored.objects.owner()).state).toBe('alone')
    const { checks } = await ask(restored, 'GET', '/api/v1/system')
    expect(checks.at(-1)).toMatchObject({ name: 'restore', state: 'warning' })
  })

  it('holds what the backup had to do until an operator lets it go on', async () => {
    if (!restored) throw new Error('it was not restored')
    const { says, asks, done, open } = facts
    isReceiving = true
    const told = receiver.of(done).length
    await restored.database.query(`update webhook_queue set due_at = '-infinity'`)
    await restored.database.query(`update routines set next_run_at = date_trunc('hour', now()), catch_up = 'last'`)
    const decision = { decision: 'approve' }
    await ask(restored, 'POST', `/api/v1/trajectory/acme/${asks}/${open}/steps/gate/approval`, decision)
    const run = await ask(restored, 'POST', `/api/v1/run-sync/acme/${says}`, {})
    expect(run.status).toBe('completed') // new runs are executed
    const held = await shell.jetty(['restore', '--go', '--dry-run', '--json'], { env: target })
    expect(held.json()).toMatchObject({ runs: 1, routines: 1, webhooks: 1, released: false })
    expect([(await trajectory(restored, asks, open)).status, receiver.of(done).length]).toEqual(['running', told])

    expect((await shell.jetty(['restore', '--go'], { env: target })).stdout).toContain('Going on: 1 open run')
    const server = restored
    await expect.poll(async () => (await trajectory(server, asks, open)).status).toBe('completed')
    await expect.poll(() => receiver.of(done).length).toBe(told + 1)
    const fires = 'select 1 from runs where routine_id is not null'
    await expect.poll(async () => (await server.database.query(fires)).length).toBe(1)
    const again = await shell.jetty(['restore', '--go'], { env: target })
    expect([again.code, again.stderr]).toMatchObject([2, expect.stringContaining('Nothing is held')])
  })
})
