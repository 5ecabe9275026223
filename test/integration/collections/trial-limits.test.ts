import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { sweepTrialRuns } from '../../../src/store/collections/trials.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const lent = 'sk-lent-unmistakable-9e02b7d41c'
const limit = 10

let fake: FakeOpenAi
let jetty: TestServer
let beside: TestServer
let task: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  const env = {
    JETTY_TRIAL_KEYS: 'OPENAI_API_KEY',
    JETTY_TRIAL_COLLECTIONS: '3',
    OPENAI_API_KEY: lent,
    OPENAI_BASE_URL: fake.url,
  }
  jetty = await startTestServer({ env })
  beside = await startTestServer({ env: { ...env, JETTY_ROLE: 'api' }, beside: jetty })
  task = await jetty.task({
    step_configs: { ask: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' } },
    steps: ['ask'],
  })
})
afterAll(async () => {
  await beside?.close()
  await jetty?.close()
  await fake?.close()
})
beforeEach(() => jetty.call('POST', '/api/v1/trial/acme/activate'))
afterEach(() => query('delete from trials'))

const query = (text: string): Promise<Body[]> => jetty.server.database.query(text)
const trial = async (): Promise<Body> => (await jetty.call('GET', '/api/v1/trial/acme')).body

/** Asks for a run on lent keys. */
const run = async (server: TestServer, route = 'run', idempotencyKey?: string) => {
  const response = await fetch(`${server.url}/api/v1/${route}/acme/${task}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${server.server.adminToken}`,
      'content-type': 'application/json',
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    },
    body: JSON.stringify({ use_trial_keys: true }),
  })
  return { status: response.status, body: (await response.json()) as Body }
}

const use = async (runs: number) => {
  for (let used = 0; used < runs; used++) expect((await run(jetty)).status).toBe(200)
}
const reserved = () => query('select run_key from trial_runs')

test('fifty runs at once over two processes: ten start', async () => {
  const before = fake.asked.length
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, at) => run(at % 2 ? jetty : beside, at % 10 < 2 ? 'run-sync' : 'run')),
  )
  const started = answers.filter(({ status }) => status === 200)
  expect(started).toHaveLength(limit)
  const refusals = answers.filter(({ status }) => status !== 200).map(({ status, body }) => [status, body.detail])
  for (const [status, detail] of refusals) {
    expect([status, detail]).toEqual([
      403,
      expect.stringMatching(/^Trial limit reached: 10 of 10 runs used\. Add your/),
    ])
  }
  for (const { body } of started) {
    const ended = await jetty.until(task, body.trajectory_id, (seen) => seen.ended !== null)
    expect(ended.status).toBe('completed')
  }
  expect(fake.asked.slice(before).map(({ headers }) => headers.authorization)).toEqual(
    Array.from({ length: limit }, () => `Bearer ${lent}`),
  )
  expect(await trial()).toMatchObject({ status: 'exhausted', runs_used: limit, runs_remaining: 0 })
  expect(await reserved()).toHaveLength(limit)
})

test('the trials of a server have an end, however many collections somebody makes', async () => {
  const names = Array.from({ length: 8 }, (_, at) => `more-${at}`)
  for (const name of names) await jetty.call('POST', '/api/v1/collections', { name })
  const activate = (name: string, at: number) =>
    (at % 2 ? jetty : beside).call('POST', `/api/v1/trial/${name}/activate`)
  const answers = await Promise.all(names.map(activate))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(2) // and that of acme
  const refused = answers.find(({ status }) => status !== 200)
  expect([refused?.status, refused?.body.detail]).toEqual([400, 'Trial keys are not available on this server'])
  expect(refused?.body.hint).toContain('JETTY_TRIAL_COLLECTIONS')
  expect(await query('select 1 from trials')).toHaveLength(3)
})

test('a key is lent to a run that another process takes over', async () => {
  const { body } = await run(beside)
  const ended = await jetty.until(task, body.trajectory_id, (seen) => seen.ended !== null)
  expect([ended.status, ended.steps.ask.outputs.text]).toEqual(['completed', 'You said: Hi'])
  expect(fake.asked.at(-1)?.headers.authorization).toBe(`Bearer ${lent}`)
})

test('repetitions of one request are one run of the trial, the last one too', async () => {
  await use(limit - 1)
  const key = randomUUID()
  const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => run(at % 2 ? jetty : beside, 'run', key)))
  const again = await run(jetty, 'run', key)
  for (const { status, body } of [...answers.filter(({ status }) => status === 200), again]) {
    expect([status, body.trajectory_id, body.trial.runs_used]).toEqual([200, again.body.trajectory_id, limit])
  }
  expect(await reserved()).toHaveLength(limit)
  expect((await run(jetty)).status).toBe(403)
})

test('a request that is refused uses up no Idempotency-Key', async () => {
  await use(limit)
  const key = randomUUID()
  const claims = await query('select scope from idempotency_keys')
  expect((await run(jetty, 'run', key)).status).toBe(403)
  expect(await query('select scope from idempotency_keys')).toEqual(claims)
  await query('delete from trial_runs where run_key = (select min(run_key) from trial_runs)')
  const answer = await run(jetty, 'run', key)
  expect([answer.status, answer.body.trial.runs_used]).toEqual([200, limit])
})

test('a run that could not be written down is given back', async () => {
  const start = vi.spyOn(jetty.server.engine, 'start')
  try {
    start.mockRejectedValueOnce(new AppError('busy', 'There is no room'))
    expect((await run(jetty)).status).toBeGreaterThanOrEqual(400)
    expect(await reserved()).toEqual([])
    // With an Idempotency-Key its place is kept for the repetition.
    const key = randomUUID()
    start.mockRejectedValueOnce(new AppError('busy', 'There is no room'))
    expect((await run(jetty, 'run', key)).status).toBeGreaterThanOrEqual(400)
    expect(await reserved()).toHaveLength(1)
    expect((await run(jetty, 'run', key)).body.trial).toMatchObject({ runs_used: 1 })
    // Postgres went away with the answer: nobody knows whether it is there.
    start.mockRejectedValueOnce(new AppError('database_unavailable', 'The database does not answer right now'))
    expect((await run(jetty)).status).toBe(503)
    expect(await reserved()).toHaveLength(2)
  } finally {
    start.mockRestore()
  }
})

test('a place in the trial is swept after a while when its process died before the run was there', async () => {
  const { body } = await run(jetty, 'run-sync')
  const age = `update trial_runs set reserved_at = reserved_at - interval '11 minutes'`
  const [{ collection_id: id }] = (await query('select collection_id from trials')) as [Body]
  await query(`insert into trial_runs (run_key, collection_id) values ('of a process that died', ${id})`)
  await query(age)
  await query(`insert into trial_runs (run_key, collection_id) values ('about to be written', ${id})`)
  expect(await trial()).toMatchObject({ runs_used: 3 })
  await sweepTrialRuns(jetty.server.database)
  expect(await trial()).toMatchObject({ runs_used: 2 })

  // What is counted outlives the run itself.
  await query(
    `update runs set created_at = ended_at - interval '7 minutes' where trajectory_id = '${body.trajectory_id}'`,
  )
  await query('update trial_runs set seconds = null')
  expect(await trial()).toMatchObject({ minutes_used: 7 })
  await sweepTrialRuns(jetty.server.database)
  await query(`delete from runs where trajectory_id = '${body.trajectory_id}'`)
  await query(age)
  await sweepTrialRuns(jetty.server.database)
  expect(await trial()).toMatchObject({ runs_used: 1, minutes_used: 7, minutes_remaining: 53 })
})
