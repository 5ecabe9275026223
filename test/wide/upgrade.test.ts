// An upgrade of a data folder that an older version wrote: killed twice in the middle, it loses nothing.
import { mkdtempSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fillTask } from '../../bench/lib/filled-task.ts'
import { echoWorkflow } from '../../bench/lib/workflows.ts'
import { createLogger } from '../../src/lib/log.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { startOrAdoptPostgres } from '../../src/store/database/embedded.ts'
import { migrate } from '../../src/store/database/migrate.ts'
import { postgresPassword, postgresUrl } from '../../src/store/database/postgres-folder.ts'
import { findPostgres } from '../../src/store/database/postgres-process.ts'
import { definitionHash } from '../../src/store/tasks/tasks.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'

const ended = 100_000
const open = 30
const lastOfOld = '0063_webhook_lists'
const steps = 5
const adminToken = 'admin-token-of-the-upgrade'

let folder: string
let dataDir: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-upgrade-'))
  dataDir = join(folder, 'data')
})
afterAll(async () => {
  await killJetties()
  killPostgres()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

/**
 * Adds runs before their third step that no process holds, as a drained server leaves them. Their steps have recorded
 * what an execution would not return, so that one executed again is seen.
 */
const addOpenRuns = async (database: Database, taskId: number, definition: string): Promise<void> => {
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, started_at, wake_at)
     select 'open' || n, 'f' || lpad(to_hex(n), 7, '0'), 'open' || n, t.collection_id, t.id, 'kept/echo', $2,
       '{"text":"fresh"}', 'test', 'running', now(), now(), now()
     from generate_series(1, $3::int) n, tasks t where t.id = $1`,
    [taskId, definition, open],
  )
  await database.query(
    `insert into steps (run_id, seq, name, status, attempt, inputs, outputs, epoch, started_at, ended_at, task_id)
     select r.id, s, 'echo_' || s, 'completed', 1, '{"text":"fresh"}', '{"text":"recorded"}', 1, now(), now(), $1
     from runs r, generate_series(0, 1) s where r.ended_at is null`,
    [taskId],
  )
  await database.query('update run_counts set total = total + $2 where task_id = $1', [taskId, open])
}

/** Counts the ended runs and their steps, and sums hashes of their rows. */
const contentsOf = (database: Database): Promise<unknown[]> =>
  database.query(
    `select count(*)::int, sum(hashtextextended(r::text, 0))::text from (
       select id, number, trajectory_id, definition, init_params, author, status, error, routine_id, created_at, ended_at
       from runs where author = 'bench') r
     union all
     select count(*)::int, sum(hashtextextended(s::text, 0))::text from (
       select run_id, seq, name, status, inputs, outputs, epoch, started_at, ended_at
       from steps where run_id not like 'open%') s`,
  )

/** Makes the data folder as a version whose newest migration is `lastOfOld` leaves it. Returns `contentsOf`. */
const makeOldFolder = async (): Promise<unknown[]> => {
  const postgres = await startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
  const database = openDatabase(postgres.url)
  const admin = openDatabase(postgres.adminUrl, { connections: 1 })
  const names = (await readdir(new URL('../../src/store/database/migrations/', import.meta.url))).map((name) =>
    name.slice(0, -4),
  )
  const old = names.filter((name) => name <= lastOfOld)
  await migrate(database, { only: old })
  const workflow = JSON.stringify(echoWorkflow(steps))
  const hash = definitionHash(workflow)
  await database.query('insert into definitions (hash, workflow) values ($1, $2)', [hash, workflow])
  await database.query(
    `with made as (insert into collections (name) values ('kept') returning id)
     insert into tasks (collection_id, name, definition) select id, 'echo', $1 from made`,
    [hash],
  )
  await addOpenRuns(database, await fillTask(database, 'echo', ended, hash), hash)
  await holdMigrations(admin)
  const contents = await contentsOf(database)
  await admin.close()
  await database.close()
  await postgres.stop()
  return contents
}

const urlOf = (): string => {
  const postgres = findPostgres(dataDir)
  if (!postgres) throw new Error('PostgreSQL is not running')
  return postgresUrl(postgres.port, postgresPassword(dataDir))
}

const start = () => startJetty({ JETTY_DATA_DIR: dataDir, JETTY_ADMIN_TOKEN: adminToken })

/** Makes a migration whose text has the name of an index of table `holds` wait before it creates an index. */
const holdMigrations = async (admin: Database): Promise<void> => {
  await admin.query(`create table holds as select unnest(array['runs_top_level', 'leases_runs_on']) as index;
    grant select on holds to public;
    create function hold_migration() returns event_trigger language plpgsql as $$
    begin
      while exists (select from holds where position(index in current_query()) > 0) loop
        perform pg_sleep(0.05);
      end loop;
    end $$;
    create event trigger hold_migration on ddl_command_start when tag in ('CREATE INDEX')
      execute function hold_migration()`)
}

const release = async (index: string): Promise<void> => {
  const admin = openDatabase(urlOf(), { connections: 1 })
  await admin.query('delete from holds where index = $1', [index])
  await admin.close()
}

/** Whether the migration that makes an index waits; that of an earlier server may still be on its way out. */
const isHeld = async (index: string): Promise<boolean> => {
  if (!findPostgres(dataDir)) return false
  const client = new pg.Client({ connectionString: urlOf() })
  client.on('error', () => {})
  try {
    await client.connect()
    const held = `select from pg_stat_activity where wait_event = 'PgSleep' and position($1 in query) > 0`
    return (await client.query(held, [index])).rowCount === 1
  } catch (error) {
    const isStarting = /^(57P03|ECONN)/.test((error as { code?: string }).code ?? '')
    if (isStarting) return false
    throw error
  } finally {
    await client.end().catch(() => {})
  }
}

/** Starts a server, which waits in the migration that makes an index. */
const startHeld = async (index: string): Promise<JettyProcess> => {
  const server = start()
  const early = server.exited.then(() => Promise.reject(new Error(server.stderr())))
  early.catch(() => {}) // a test may kill it
  await Promise.race([expect.poll(() => isHeld(index), { timeout: 120_000 }).toBe(true), early])
  return server
}

const killPostgres = (): void => {
  const postgres = findPostgres(dataDir)
  if (postgres) process.kill(postgres.pid, 'SIGKILL')
}

it('upgrades 100,000 runs, 30 of them open, through two kills', { timeout: 900_000 }, async () => {
  const seconds: number[] = []
  let since = performance.now()
  const lap = () => {
    seconds.push(Math.round((performance.now() - since) / 100) / 10)
    since = performance.now()
  }
  const before = await makeOldFolder()
  lap()
  const first = await startHeld('runs_top_level')
  first.child.kill('SIGKILL')
  await first.exited
  await release('runs_top_level')
  const second = await startHeld('leases_runs_on')
  second.child.kill('SIGKILL')
  killPostgres()
  await second.exited
  lap()
  const third = await startHeld('leases_runs_on')
  await release('leases_runs_on')
  const { url } = await third.ready
  lap()
  const call = async (path: string) => (await callJetty(url, adminToken, 'GET', path)).body
  const database = openDatabase(urlOf(), { connections: 2 })
  const left = async () => (await database.query('select 1 from runs where ended_at is null')).length
  await expect.poll(left, { timeout: 120_000 }).toBe(0)
  lap()
  console.log('upgrade, seconds: old folder, two kills, ready, open runs completed:', seconds.join(', '))

  expect(await contentsOf(database)).toEqual(before)
  const resumed = await database.query(
    `select s.seq, r.status, s.status as step, s.outputs, count(*)::int from steps s join runs r on r.id = s.run_id
     where r.author = 'test' group by 1, 2, 3, 4 order by 1`,
  )
  const recorded = { status: 'completed', step: 'completed', outputs: '{"text":"recorded"}', count: open }
  expect(resumed).toEqual(Array.from({ length: steps }, (_, seq) => ({ seq, ...recorded })))
  await database.close()
  expect((await call('/db/stats/kept/echo')).total_runs).toBe(ended + open)
  const page = await call('/db/trajectories/kept/echo?limit=50&page=3&status=failed')
  expect([page.total, page.trajectories.length]).toEqual([ended / 50, 50])
})
