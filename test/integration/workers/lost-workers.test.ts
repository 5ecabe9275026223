import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker, testWorker } from './test-worker.ts'

let jetty: TestServer
let beside: TestServer

const env = {
  JETTY_DRAIN_SECONDS: '0',
  JETTY_WORKER_LOSSES: '2',
  JETTY_WORKER_QUEUE: '3',
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
