// Leases that nobody works on: after a lost answer, without runs, or with runs that have all ended.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { type LossyPostgres, openLossyPostgres } from '../../fakes/lossy-postgres.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, does } from '../runs/acting.ts'

/** Matches the statement that takes leases from the queue. */
const take = /queued_leases[\s\S]*skip locked[\s\S]*set epoch = /

let api: TestServer
let proxy: LossyPostgres
let database: Database
const workers: TestServer[] = []
const startWorker = async (env: Record<string, string> = {}): Promise<TestServer> => {
  const worker = await startTestServer({ activities: [act], beside: api, beatMs: 200, env })
  workers.push(worker)
  return worker
}
beforeAll(async () => {
  api = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'api', JETTY_DRAIN_SECONDS: '0' } })
  proxy = await openLossyPostgres(api.database.url)
  database = openDatabase(api.database.url, { connections: 1 })
})
afterAll(async () => {
  for (const worker of workers) await worker.close()
  await database?.close()
  await proxy?.close()
  await api?.close()
})

const figure = async (name: string): Promise<number> => {
  const { body } = await api.call('GET', '/metrics')
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body)?.[1])
}
const soon = { timeout: 40_000, interval: 200 }

it('a process works on leases that it took though the answer was lost', async () => {
  const task = await api.task({ step_configs: { work: does() }, steps: ['work'] })
  const started: string[] = []
  for (let n = 0; n < 12; n++) started.push((await api.start(task)).trajectory_id)
  proxy.lose(take, 3)
  const worker = await startWorker({ DATABASE_URL: proxy.url })
  await expect.poll(() => proxy.lost, soon).toBe(3)
  const unfinished = async () => {
    const runs = await Promise.all(started.map((id) => api.get(task, id)))
    return runs.filter(({ status }) => status !== 'completed').length
  }
  await expect.poll(unfinished, soon).toBe(0)
  expect(worker.server.engine.statistics().leases).toBeLessThan(12)
})

it('no row of a lease stays when its runs have ended', async () => {
  if (workers.length === 0) await startWorker()
  const task = await api.task({ step_configs: { work: does() }, steps: ['work'] })
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await api.start(task)).trajectory_id))
  for (const id of ids) await api.until(task, id, ({ status }) => status === 'completed')
  const rows = async () => {
    const tables = await database.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where (tablename in ('leases', 'queued_leases') or schemaname like '%dbos') and tablename !~ '^(jetty|dbos_migr)'`,
    )
    const counts = await database.query<{ rows: number }>(
      tables.map(({ name }) => `select count(*)::int as rows from ${name}`).join(' union all '),
    )
    return counts.reduce((sum, row) => sum + row.rows, 0)
  }
  // A process keeps the lease under which it would put the next run.
  await expect.poll(rows, soon).toBeLessThanOrEqual(workers.length)
})

it('a queued lease whose runs were cancelled is not counted as waiting work', async () => {
  if (workers.length === 0) await startWorker()
  const nobodyHas = { work: { ...does(), runs_on: ['mars'] } }
  const task = await api.task({ step_configs: nobodyHas, steps: ['work'] })
  const { trajectory_id: id } = await api.start(task)
  await expect.poll(() => figure('jetty_leases_queued'), soon).toBe(1)
  await api.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  await expect.poll(() => figure('jetty_leases_queued'), soon).toBe(0)
  const { body: system } = await api.call('GET', '/api/v1/system')
  expect(system.queue).toMatchObject({ queued: 0, oldest_queued_at: null })
})

it('a server whose last worker has stopped says at once that nobody carries runs out', async () => {
  const worker = await startWorker()
  const check = async () => {
    const { body } = await api.call('GET', '/api/v1/system')
    return body.checks.find(({ name }: { name: string }) => name === 'queue')
  }
  expect(await check()).toMatchObject({ state: 'ok' })
  for (const one of workers.splice(0)) await one.close()
  expect(worker.server.engine.statistics().leases).toBe(0)
  await api.start(await api.task({ step_configs: { work: does() }, steps: ['work'] }))
  expect(await check()).toMatchObject({
    state: 'failed',
    found: 'no process executes runs; one batch of runs waits for a worker',
  })
})
