// What happens to jobs when calls about them cross: a poll that breaks, a limit of an activity, a key that lost access.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeExpiry } from '../../../src/engine/workers/worker-jobs.ts'
import { pause } from '../../../src/lib/time.ts'
import { readEvents } from '../../event-stream.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker } from './test-worker.ts'

let jetty: TestServer
const env = { JETTY_DRAIN_SECONDS: '0', JETTY_WORKER_LEASE_SECONDS: '3600', JETTY_WORKER_LOSSES: '2' }

beforeAll(async () => {
  jetty = await startTestServer({ env })
}, 240_000)
afterAll(() => jetty?.close())

const started = async (config: Record<string, unknown>): Promise<{ task: string; id: string }> => {
  const task = await jetty.task({ step_configs: { work: config }, steps: ['work'] })
  return { task, id: (await jetty.start(task)).trajectory_id }
}
const ended = (at: { task: string; id: string }): Promise<Body> =>
  jetty.until(at.task, at.id, (trajectory) => trajectory.ended !== null)
const query = (text: string, values?: unknown[]) => jetty.server.database.query<Body>(text, values)
/** Asks until a query has rows. */
const untilRows = async (text: string, values?: unknown[]): Promise<void> => {
  while ((await query(text, values)).length === 0) await pause(20)
}
const isQueued = (activity: string): Promise<void> =>
  untilRows(`select from worker_jobs where activity = $1 and state = 'queued'`, [activity])

it('a job that is handed to a poll whose connection broke goes to the next poll at once', async () => {
  const worker = await startTestWorker(jetty, ['race.broken'])
  const at = await started({ activity: 'race.broken' })
  await isQueued('race.broken')
  const blocker = await jetty.server.database.connect('test')
  try {
    await blocker.query('begin')
    await blocker.query('lock table worker_jobs in share mode') // the claim waits for it
    const gone = new AbortController()
    const open = fetch(`${jetty.url}/api/v1/workers/${worker.id}/poll`, {
      ...{ method: 'POST', body: '{}', signal: gone.signal },
      headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': 'application/json' },
    }).catch(() => undefined)
    const claim = '%select activity, count(*)::int as jobs from worker_jobs%'
    await untilRows(`select from pg_stat_activity where wait_event_type = 'Lock' and query like $1`, [claim])
    gone.abort()
    await open
    for (let calls = 0; calls < 3; calls++) await jetty.call('GET', '/health') // it has seen the end of the connection
    await blocker.query('commit')
  } finally {
    await blocker.end()
  }
  const job = await worker.take()
  expect(job).toMatchObject({ epoch: 2, attempt: 1 })
  expect(await query('select deaths from worker_jobs where id = $1', [job.job_id])).toEqual([{ deaths: 0 }])
  await worker.say(job, 'complete')
  expect((await ended(at)).status).toBe('completed')
})

describe.concurrent('jobs', () => {
  it('a worker with as many jobs of an activity as it takes leaves the next one to another', async () => {
    const few = await startTestWorker(jetty, [{ name: 'race.few', concurrency: 1 }], { concurrency: 4 })
    const runs = [await started({ activity: 'race.few' })]
    const first = await few.take()
    const waiting = few.poll({ wait_seconds: 30 })
    const other = await startTestWorker(jetty, ['race.few'])
    const taking = other.take()
    runs.push(await started({ activity: 'race.few' }))
    const second = await taking
    runs.push(await started({ activity: 'race.few' }))
    await isQueued('race.few')
    await few.say(first, 'complete') // now it has room
    const [third] = (await waiting).body.jobs
    for (const [worker, job] of [
      [other, second],
      [few, third],
    ] as const)
      await worker.say(job, 'complete')
    for (const one of runs) expect((await ended(one)).status).toBe('completed')
  })

  it('a key that has lost a collection settles no jobs of it', async () => {
    const body = { name: 'lost', collection_name: 'acme', access_level: 'WORKER' }
    const { api_key: key, id } = (await jetty.call('POST', '/api/v1/api-keys', body)).body
    const worker = await startTestWorker(jetty, ['race.access'], {}, key)
    const at = await started({ activity: 'race.access' })
    const job = await worker.take()
    await query('delete from api_key_collections where key_id = $1', [id])
    const say = async (verb: 'heartbeat' | 'complete' | 'fail') => (await worker.say(job, verb, { error: 'no' })).status
    await expect.poll(() => say('heartbeat')).toBe(409) // the server is told of the change
    for (const verb of ['complete', 'fail'] as const) expect([verb, await say(verb)]).toEqual([verb, 409])
    await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/statuses`, { [at.id]: 'cancelled' })
  })

  it('the next attempt of a step keeps the version, and counts lost workers anew', async () => {
    const options = { retry: { max_attempts: 2, backoff: 0 } }
    const old = await startTestWorker(jetty, ['race.again'], { version: '1' })
    const at = await started({ activity: 'race.again', options })
    const lose = async () => {
      const { job_id: id } = await old.take()
      await query(`update worker_jobs set lease_expires_at = now() - interval '1 second' where id = $1`, [id])
    }
    await lose()
    await old.say(await old.take(), 'fail', { error: 'busy', retryable: true })
    const fresh = await startTestWorker(jetty, ['race.again'], { version: '2' })
    await isQueued('race.again')
    expect((await fresh.poll({ wait_seconds: 0 })).body.jobs).toEqual([])
    await lose()
    const last = await old.take()
    expect(last).toMatchObject({ attempt: 2, version: '1' })
    await old.say(last, 'complete')
    expect((await ended(at)).status).toBe('completed')
  })

  it('a completion for a run that was cancelled while it was out of memory is refused', async () => {
    const worker = await startTestWorker(jetty, ['race.parked'])
    const at = await started({ activity: 'race.parked' })
    const job = await worker.take()
    await untilRows('select from runs where trajectory_id = $1 and lease is null', [at.id])
    await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/statuses`, { [at.id]: 'cancelled' })
    expect((await worker.say(job, 'complete')).status).toBe(409)
    expect((await worker.say(job, 'heartbeat')).body).toMatchObject({ cancelled: true })
    const next = await started({ activity: 'race.parked' }) // it has room for another job
    await worker.say(await worker.take(), 'complete')
    expect((await ended(next)).status).toBe('completed')
  })

  it('a run shows how far the job of its worker is', async () => {
    const worker = await startTestWorker(jetty, ['race.progress'], { name: 'gpu-box' })
    const at = await started({ activity: 'race.progress' })
    const job = await worker.take()
    await worker.say(job, 'heartbeat', { progress: 0.4, message: 'resizing' })
    const shown = { state: 'leased', worker: 'gpu-box', progress: 0.4, message: 'resizing' }
    const run = await jetty.until(at.task, at.id, ({ steps }) => steps.work?.job !== undefined)
    expect(run.steps.work).toMatchObject({ wait: { for: 'worker' }, job: shown })
    const path = `/api/v1/trajectory/acme/${at.task}/${at.id}`
    expect((await jetty.call('GET', `${path}?view=summary`)).body.steps.work.job).toEqual(shown)
    expect((await jetty.call('GET', `${path}/steps/work`)).body.job).toEqual(shown)
    const watching = readEvents(`${jetty.url}${path}/events`, jetty.server.adminToken, {
      enough: (events) => events.some(({ event, data }) => event === 'job' && data.progress === 0.9),
    })
    await worker.say(job, 'heartbeat', { progress: 0.9 })
    const told = (await watching).events.filter(({ event }) => event === 'job')
    expect(told.at(-1)?.data).toEqual({ step: 'work', ...shown, progress: 0.9 })
    await worker.say(job, 'complete')
    const { steps } = await ended(at)
    expect(steps.work.job).toBeUndefined()
  })
})

// It gives every lease the same new end, so nothing may run beside it.
it('leases begin anew after an outage of the database', async () => {
  const worker = await startTestWorker(jetty, ['race.outage'])
  const at = await started({ activity: 'race.outage' })
  const job = await worker.take()
  let outage = () => {}
  const look = makeExpiry({
    database: jetty.server.database,
    sealer: { seal: (text) => text, open: (text) => text },
    limits: { lostWorkers: 2, leaseSeconds: 90_000 },
    watch: { onOutage: (react) => (outage = () => react(new Error('away') as never, 'away')) },
    wakeParked() {},
  })
  const renewed = `select from worker_jobs where id = $1 and lease_expires_at > now() + interval '20 hours'`
  await look()
  expect((await query(renewed, [job.job_id])).length).toBe(0)
  outage()
  await look()
  expect((await query(renewed, [job.job_id])).length).toBe(1)
  await worker.say(job, 'complete')
  expect((await ended(at)).status).toBe('completed')
})
