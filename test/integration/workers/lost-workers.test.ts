import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renewAllLeases } from '../../../src/store/workers/jobs.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker, testWorker } from './test-worker.ts'

let jetty: TestServer
let beside: TestServer

const env = {
  JETTY_DRAIN_SECONDS: '0',
  JETTY_WORKER_LOSSES: '2',
  JETTY_WORKER_QUEUE: '3',
  JETTY_WORKER_PARAMETERS_BYTES: '2KiB',
  JETTY_MAX_WORKERS: '20',
}

beforeAll(async () => {
  jetty = await startTestServer({ env })
  beside = await startTestServer({ beside: jetty, env: { ...env, JETTY_ROLE: 'api' } })
}, 240_000)
afterAll(async () => {
  await beside?.close()
  await jetty?.close()
})

const started = async (config: Record<string, unknown>): Promise<{ task: string; id: string }> => {
  const task = await jetty.task({ step_configs: { work: config }, steps: ['work'] })
  return { task, id: (await jetty.start(task)).trajectory_id }
}

const ended = (at: { task: string; id: string }): Promise<Body> =>
  jetty.until(at.task, at.id, (trajectory) => trajectory.ended !== null)

/** Lets the lease of a job run out, without the wait. */
const lose = (job: Body) =>
  jetty.server.database.query(`update worker_jobs set lease_expires_at = now() - interval '1 second' where id = $1`, [
    job.job_id,
  ])

describe('a worker without heartbeats', () => {
  it('loses its job to another one, and is fenced from then on', async () => {
    const frozen = await startTestWorker(jetty, ['lost.work'])
    const at = await started({ activity: 'lost.work' })
    const first = await frozen.take()
    await lose(first)
    // The other one asks another server process.
    const other = await startTestWorker(beside, ['lost.work'])
    const second = await other.take()
    expect(second).toMatchObject({ job_id: first.job_id, epoch: 2, attempt: 1 })
    expect(second.idempotency_key).toBe(first.idempotency_key)
    const done = await other.say(second, 'complete', { outputs: { by: 'other' } })
    expect(done.status).toBe(200)
    for (const verb of ['heartbeat', 'complete', 'fail'] as const) {
      const late = await frozen.say(first, verb, { error: 'late', outputs: { by: 'frozen' } })
      expect([verb, late.status]).toEqual([verb, 409])
    }
    const run = await ended(at)
    expect(run).toMatchObject({ status: 'completed', steps: { work: { attempt: 1, outputs: { by: 'other' } } } })
  })

  it('fails a job that keeps losing its workers, and no other', async () => {
    const worker = await startTestWorker(jetty, ['lost.poison'], { concurrency: 5 })
    const bad = await started({ activity: 'lost.poison', kills: true })
    const first = await worker.take()
    await lose(first)
    const second = await worker.take()
    expect(second).toMatchObject({ job_id: first.job_id, epoch: 2 })
    await lose(second)
    const run = await ended(bad)
    expect(run.steps.work).toMatchObject({ status: 'failed', error_detail: { code: 'worker_lost' } })
    const good = await started({ activity: 'lost.poison' })
    const job = await worker.take()
    expect(job.run.trajectory_id).toBe(good.id)
    await worker.say(job, 'complete')
    expect((await ended(good)).status).toBe('completed')
  })

  it('fails a job that may not be repeated', async () => {
    const worker = await startTestWorker(jetty, [{ name: 'lost.once', idempotent: false }])
    const at = await started({ activity: 'lost.once' })
    await lose(await worker.take())
    const run = await ended(at)
    expect(run.steps.work.error_detail).toMatchObject({ code: 'worker_lost', retryable: false })
  })
})

describe('a server that starts', () => {
  it('lets the leases of jobs begin anew', async () => {
    const { database } = jetty.server
    const worker = await startTestWorker(jetty, ['lost.restart'])
    const at = await started({ activity: 'lost.restart' })
    const job = await worker.take()
    await renewAllLeases(database, 7_200)
    const renewed = `select from worker_jobs where id = $1 and lease_expires_at > now() + interval '1 hour'`
    expect((await database.query(renewed, [job.job_id])).length).toBe(1)
    await worker.say(job, 'complete')
    expect((await ended(at)).status).toBe('completed')
  })
})

describe('an answer with a job that is lost', () => {
  it('comes again with the next poll, with the same epoch', async () => {
    const worker = await startTestWorker(beside, ['lost.answer'], { concurrency: 2 })
    const at = await started({ activity: 'lost.answer' })
    const job = await worker.take()
    const again = await testWorker(jetty, worker.id).poll({ holding: [] })
    expect(again.body.jobs).toMatchObject([{ job_id: job.job_id, epoch: job.epoch }])
    expect((await worker.say(job, 'complete')).status).toBe(200)
    expect((await ended(at)).status).toBe('completed')
  })
})

describe('large parameters', () => {
  it('come with several answers, also when answers were lost', async () => {
    const worker = await startTestWorker(jetty, ['lost.large'], { concurrency: 10 })
    const runs = await Promise.all([1, 2].map(() => started({ activity: 'lost.large' })))
    const sizes = `update worker_jobs set sealed_parameters = rpad(sealed_parameters, 9000)
      where activity = 'lost.large' and state = 'queued' returning id`
    await expect.poll(async () => (await jetty.server.database.query(sizes)).length, { timeout: 30_000 }).toBe(2)
    const poll = async (holding: string[]): Promise<Body[]> => (await worker.poll({ free: 10, holding })).body.jobs
    const [first, ...more] = await poll([])
    expect(more).toEqual([])
    expect(await poll([])).toMatchObject([{ job_id: first.job_id, epoch: 1 }])
    const [second] = await poll([first.job_id])
    const again = await poll([])
    expect(again.length).toBe(1)
    const others = await poll(again.map(({ job_id }) => job_id))
    expect([...again, ...others].map(({ job_id }) => job_id).sort()).toEqual([first.job_id, second?.job_id].sort())
    for (const job of [first, second]) expect((await worker.say(job, 'complete')).status).toBe(200)
    for (const one of runs) expect((await ended(one)).status).toBe('completed')
  })

  it('of a heartbeat are refused', async () => {
    const worker = await startTestWorker(jetty, ['lost.giant'])
    const at = await started({ activity: 'lost.giant' })
    const job = await worker.take()
    const giants = [
      { message: 'x'.repeat(1_001) },
      { progress: 2 },
      { logs: Array.from({ length: 101 }, () => ({ message: 'x' })) },
      { logs: [{ message: 'x'.repeat(10_001) }] },
    ]
    for (const giant of giants) expect((await worker.say(job, 'heartbeat', giant)).status).toBe(422)
    const logs = Array.from({ length: 100 }, (_, line) => ({ message: `${line} ${'x'.repeat(5_000)}` }))
    for (let beat = 0; beat < 2; beat++) expect((await worker.say(job, 'heartbeat', { logs })).status).toBe(200)
    await worker.say(job, 'complete')
    const { steps } = await ended(at)
    expect(JSON.stringify(steps.work.logs).length).toBeLessThan(250_000)
    expect(steps.work.logs.at(-1).message).toMatch(/^99 x/)
  })
})

describe('a key with as many workers as it may have', () => {
  it('is refused another one until one of them is gone', async () => {
    const body = { name: 'many', collection_name: 'acme', access_level: 'WORKER' }
    const key = (await jetty.call('POST', '/api/v1/api-keys', body)).body.api_key
    const register = () =>
      jetty.call('POST', '/api/v1/workers', { name: 'many', activities: [{ name: 'lost.many' }] }, key)
    const first = (await register()).body.worker_id
    for (let more = 1; more < 20; more++) expect((await register()).status).toBe(200)
    expect(await register()).toMatchObject({ status: 409, body: { detail: expect.stringContaining('20 workers') } })
    const { database } = jetty.server
    await database.query(`update workers set seen_at = now() - interval '2 minutes' where id = $1`, [first])
    const second = (await register()).body.worker_id
    expect((await register()).status).toBe(409)
    await database.query(`update workers set drained_at = now() - interval '2 minutes' where id = $1`, [second])
    expect((await register()).status).toBe(200)
    expect((await register()).status).toBe(409)
    expect((await testWorker(jetty, first, key).poll()).status).toBe(404)
  })
})

describe('a queue that is full', () => {
  it('fails the next step with an error that names the limit', async () => {
    const waiting = await Promise.all([1, 2, 3].map(() => started({ activity: 'lost.nobody' })))
    const queued = async () =>
      (await jetty.server.database.query(`select from worker_jobs where activity = 'lost.nobody' and state = 'queued'`))
        .length
    await expect.poll(queued, { timeout: 30_000 }).toBe(3)
    const at = await started({ activity: 'lost.nobody', options: { retry: { max_attempts: 1 } } })
    const run = await ended(at)
    expect(run.steps.work.error_detail).toMatchObject({ code: 'busy', message: expect.stringContaining('3 jobs') })
    const worker = await startTestWorker(jetty, ['lost.nobody'], { concurrency: 3 })
    const { jobs } = (await worker.poll({ free: 3 })).body
    await Promise.all(jobs.map((job: Body) => worker.say(job, 'complete')))
    for (const one of waiting) expect((await ended(one)).status).toBe('completed')
  })
})
