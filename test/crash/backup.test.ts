// Backups of a server under load, and restores that are killed. Whole: JETTY_BACKUP_RUNS=100000 JETTY_BACKUP_MB=1024.
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { connectForCopy } from '../../src/store/database/copy.ts'
import { startOrAdoptPostgres } from '../../src/store/database/embedded.ts'
import { readTables } from '../../src/store/database/tables.ts'
import { openDiskObjects } from '../../src/store/objects/disk.ts'
import { compiledProgram } from '../compiled.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { seeded } from './harness/random.ts'

const runs = Number(process.env.JETTY_BACKUP_RUNS ?? 2_000)
const megabytes = Number(process.env.JETTY_BACKUP_MB ?? 20)
const kills = Number(process.env.JETTY_BACKUP_KILLS ?? 5)
const timeout = 3_600_000
const secretKey = randomBytes(32).toString('base64')
const passphrase = 'a passphrase of the crash tests'
const random = seeded('backup')

let jetty: TestServer
let folder: string
let task: string
const file = (name: string) => join(folder, name)
const backup = () => file('jetty.backup')

const say = (what: string, facts: Record<string, unknown>) => console.log(what, JSON.stringify(facts))

const jettyCommand = (args: string[], env: Record<string, string>) =>
  spawn(process.execPath, [compiledProgram('src/bin'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      JETTY_SECRET_KEY: secretKey,
      JETTY_BACKUP_PASSPHRASE: passphrase,
      ...env,
    },
  })

/** Runs a command to its end; returns its JSON, its seconds and the most memory that it had. */
const ended = async (args: string[], env: Record<string, string>) => {
  const begun = performance.now()
  const child = jettyCommand([...args, '--json'], env)
  let kilobytes = 0
  const looking = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    kilobytes = Math.max(kilobytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }, 100)
  const [out, problem, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  clearInterval(looking)
  expect([code, problem]).toEqual([0, ''])
  const seconds = Math.round((performance.now() - begun) / 100) / 10
  return { result: JSON.parse(out), seconds, megabytes: Math.round(kilobytes / 1024) }
}

/** Runs with two steps each, and files of a megabyte. Their ids begin with `seed`, and nothing changes them later. */
const fill = async () => {
  const { database, objects } = jetty.server
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, started_at, ended_at)
     select 'seed-' || n, lpad(to_hex(n), 8, '0'), 'w', t.collection_id, t.id, 'acme/' || t.name, t.definition,
       json_build_object('text', repeat(md5(n::text), 20))::text, 'me', 'completed', now(), now(), now()
     from tasks t, generate_series(1, $2) n where t.name = $1`,
    [task, runs],
  )
  await database.query(
    `insert into steps (run_id, seq, name, status, attempt, inputs, outputs, epoch, started_at, ended_at)
     select 'seed-' || n, s, 'step', 'completed', 1, '{}', json_build_object('text', E'é\\t\\\\N' || repeat(md5(n::text), 30))::text, 1, now(), now()
     from generate_series(1, $1) n, generate_series(0, 1) s`,
    [runs],
  )
  for (let n = 0; n < megabytes; n++) {
    const { id, size, sha256 } = await objects.put(randomBytes(1024 * 1024), { maxBytes: 2 * 1024 * 1024 })
    await database.query(
      `insert into files (path, collection_id, run_id, object, name, content_type, size, sha256)
       select 'acme/seed/' || $1::text, c.id, 'seed-1', $1, 'x', 'application/octet-stream', $2, $3 from collections c where c.name = 'acme'`,
      [id, size, sha256],
    )
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-backup-crash-'))
  jetty = await startTestServer({ env: { JETTY_SECRET_KEY: secretKey } })
  task = await jetty.task({
    init_params: {},
    step_configs: {
      a: { activity: 'text_echo', text: 'x' },
      b: { activity: 'save_text_file', text: 'kept', filename: 'b.txt' },
    },
    steps: ['a', 'b'],
  })
  await fill()
}, timeout)
afterAll(async () => {
  await jetty?.close()
  rmSync(folder, { recursive: true, force: true })
}, timeout)

const here = () => ({ DATABASE_URL: jetty.database.url, JETTY_DATA_DIR: jetty.dataDir })

/** Starts runs, uploads files and deletes them, until it is stopped; returns how many runs it has started. */
const load = () => {
  const stop = new AbortController()
  let started = 0
  const worker = async () => {
    while (!stop.signal.aborted) {
      await jetty.start(task)
      started += 1
      const form = new FormData()
      form.append('file', new Blob([randomBytes(1000)]), 'x.bin')
      form.append('collection', 'acme')
      const { body } = await jetty.call('POST', '/api/v1/files/upload', form)
      await jetty.call('DELETE', `/v1/files/${body.id}`)
    }
  }
  const working = Promise.all([worker(), worker(), worker()])
  return async () => {
    stop.abort()
    await working
    return started
  }
}

const inRestored = async <T>(dataDir: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const postgres = await startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
  const client = await connectForCopy(postgres.url, 'jetty test')
  try {
    return await work(client)
  } finally {
    await client.end()
    await postgres.stop()
  }
}

const rowsOf = async (client: pg.Client, query: string) => (await client.query(query)).rows

/** Digests of the rows that nothing has changed since they were made. */
const seedDigests = async (client: pg.Client) => {
  const digests = []
  for (const [from, column] of [
    ['runs', 'id'],
    ['steps', 'run_id'],
    ['files', 'run_id'],
  ]) {
    const query = `select count(*)::int as n, md5(string_agg(md5(t::text), '' order by t::text)) as d from ${from} t`
    digests.push((await client.query(`${query} where ${column} like 'seed%'`)).rows[0])
  }
  return digests
}

it('a backup under load has one moment, and every row and byte of it comes back', { timeout }, async () => {
  const stop = load()
  await delay(500)
  const made = await ended(['backup', backup()], here())
  const started = await stop()
  say('backup', {
    ...made,
    result: undefined,
    rows: made.result.rows,
    objects: made.result.objects,
    bytes: statSync(backup()).size,
    started,
  })
  expect(made.result).toMatchObject({ lost: [], damaged: [], is_encrypted: true })
  const checked = await ended(['restore', '--dry-run', backup()], here())
  say('dry run', { seconds: checked.seconds, megabytes: checked.megabytes })
  const dataDir = file('restored')
  const restored = await ended(['restore', backup()], { JETTY_DATA_DIR: dataDir })
  say('restore', { seconds: restored.seconds, megabytes: restored.megabytes })
  expect(restored.result.objects_stored).toBe(made.result.objects)

  const source = await connectForCopy(jetty.database.url, 'jetty test')
  const before = await seedDigests(source)
  await source.end()
  await inRestored(dataDir, async (client) => {
    expect(await seedDigests(client)).toEqual(before)
    for (const { name } of await readTables(client)) {
      const [{ n }] = await rowsOf(client, `select count(*)::int as n from ${name}`)
      const changed = ['server', 'schema_migrations', 'audit', 'leases', 'executors', 'sessions', 'sign_in_codes']
      if (changed.includes(name)) continue
      // Files that the load deleted while the backup began are left out, and the uploads that they were.
      const [all, deleted] = [restored.result.tables[name] ?? 0, restored.result.objects_deleted]
      if (name === 'uploads') expect(n).toBeGreaterThanOrEqual(all - deleted)
      else expect([name, n]).toEqual([name, name === 'files' ? all - deleted : all])
    }
    // One moment: a completed run has both steps, each step its run, each file its run or upload.
    const torn = `select 1 from runs r where status = 'completed' and id not like 'seed%'
        and (select count(*) from steps where run_id = r.id and ended_at is not null) <> 2
      union all select 1 from steps s where not exists (select from runs where id = s.run_id)
      union all select 1 from uploads u where not exists (select from files where path = u.path)`
    expect(await rowsOf(client, torn)).toEqual([])
    const objects = await openDiskObjects(join(dataDir, 'files'), async () => ({ installation: 'x', origin: '1/1/1' }))
    for (const { object, sha256 } of await rowsOf(client, 'select object, sha256 from files')) {
      const hash = createHash('sha256')
      for await (const chunk of (await objects.open(object)).stream) hash.update(chunk as Uint8Array)
      expect(hash.digest('hex')).toBe(sha256)
    }
  })
  rmSync(dataDir, { recursive: true })
})

it('a backup that is killed leaves no backup, and lets the server remove files again', { timeout }, async () => {
  const bytes = random.between(1, megabytes * 512 * 1024)
  for (let isKilled = false; !isKilled; ) {
    rmSync(file('killed.backup'), { force: true }) // this process stood still, and the backup was faster
    const child = jettyCommand(['backup', file('killed.backup')], here())
    const draft = file(`killed.backup.${child.pid}.part`)
    while ((statSync(draft, { throwIfNoEntry: false })?.size ?? 0) < bytes && child.exitCode === null) await delay(1)
    child.kill('SIGKILL')
    await once(child, 'close')
    isKilled = child.exitCode === null && !existsSync(file('killed.backup'))
  }
  expect(readdirSync(folder).filter((name) => name.startsWith('killed.backup'))).toHaveLength(1) // the draft
  const { id } = await jetty.server.objects.put(Buffer.from('x'), { maxBytes: 10 })
  await expect
    .poll(async () => {
      await jetty.server.objects.remove([id])
      return jetty.server.objects.sizeOf(id)
    })
    .toBeUndefined()
})

it('a restore that is killed at any moment goes on, and ends as one that was not', { timeout }, async () => {
  if (!existsSync(backup())) await ended(['backup', backup()], here())
  const dataDir = file('killed')
  const begun = performance.now()
  await ended(['restore', '--dry-run', backup()], here())
  const whole = Math.max(2_000, 2 * (performance.now() - begun))
  for (let kill = 0; kill < kills; kill++) {
    const child = jettyCommand(['restore', backup()], { JETTY_DATA_DIR: dataDir })
    const closed = once(child, 'close')
    await Promise.race([delay(random.between(200, whole)), closed])
    if (child.exitCode !== null) break
    child.kill('SIGKILL')
    await closed
  }
  const isHeld = await inRestored(dataDir, async (client) =>
    (await rowsOf(client, `select value from server where key = 'restore'`).catch(() => [])).some(({ value }) =>
      value.includes('held'),
    ),
  )
  if (!isHeld) await ended(['restore', backup()], { JETTY_DATA_DIR: dataDir })
  const source = await connectForCopy(jetty.database.url, 'jetty test')
  const before = await seedDigests(source)
  await source.end()
  await inRestored(dataDir, async (client) => {
    expect(await seedDigests(client)).toEqual(before)
    const objects = await openDiskObjects(join(dataDir, 'files'), async () => ({ installation: 'x', origin: '1/1/1' }))
    for (const { object, size } of await rowsOf(client, 'select object, size from files'))
      expect(await objects.sizeOf(object)).toBe(Number(size))
  })
})
