import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker } from './test-worker.ts'

let jetty: TestServer

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_DRAIN_SECONDS: '0' } })
}, 240_000)
afterAll(() => jetty?.close())

const resize = (more: Record<string, unknown> = {}) => ({
  init_params: { width: 40 },
  step_configs: {
    small: { activity: 'images.resize', width_path: 'init_params.width', name: 'a {{init_params.width}}', ...more },
    say: { activity: 'text_echo', text_path: 'small.outputs.url' },
  },
  steps: ['small', 'say'],
})

const started = async (workflow: Body = resize()): Promise<{ task: string; id: string }> => {
  const task = await jetty.task(workflow)
  return { task, id: (await jetty.start(task)).trajectory_id }
}

const ended = (at: { task: string; id: string }): Promise<Body> =>
  jetty.until(at.task, at.id, (trajectory) => trajectory.ended !== null)

describe('a step that a worker carries out', () => {
  it('goes on with what the worker returns', async () => {
    const worker = await startTestWorker(jetty, ['images.resize'], { version: '1.2.0' })
    const taking = worker.take()
    const at = await started()
    const job = await taking
    expect(job).toMatchObject({
      epoch: 1,
      attempt: 1,
      activity: 'images.resize',
      version: '1.2.0',
      parameters: { width: 40, name: 'a 40' },
      run: { collection: 'acme', task: at.task, trajectory_id: at.id, step: 'small' },
    })
    expect((await worker.say(job, 'heartbeat', { progress: 0.5 })).body).toMatchObject({ cancelled: false })
    const done = await worker.say(job, 'complete', { outputs: { url: 'https://x' }, logs: [{ message: 'resized' }] })
    expect(done).toMatchObject({ status: 200, body: { status: 'completed' } })
    const again = await worker.say(job, 'complete', { outputs: { url: 'other' } })
    expect(again).toMatchObject({ status: 200, body: { status: 'completed' } })
    const run = await ended(at)
    expect(run.status).toBe('completed')
    expect(run.steps.small).toMatchObject({ status: 'completed', attempt: 1, outputs: { url: 'https://x' } })
    expect(run.steps.small.logs).toMatchObject([{ type: 'worker', message: 'resized' }])
    expect(run.steps.say.outputs.text).toBe('https://x')
  })

  it('fails with what the worker tells, and is tried again when that may help', async () => {
    const worker = await startTestWorker(jetty, ['images.resize'])
    const at = await started(resize({ options: { retry: { max_attempts: 2, initial_sec: 0.01 } } }))
    const first = await worker.take()
    await worker.say(first, 'fail', { error: 'busy disk', retryable: true })
    const second = await worker.take()
    expect(second).toMatchObject({ attempt: 2, epoch: 2, idempotency_key: first.idempotency_key })
    const late = await worker.say(first, 'complete', { outputs: {} })
    expect(late.status).toBe(409)
    await worker.say(second, 'fail', { error: 'no such file' })
    const run = await ended(at)
    expect(run.status).toBe('failed')
    expect(run.steps.small.error_detail ?? run.steps.small.error).toMatchObject({ message: 'no such file' })
  })

  it('is tried three times unless the step says otherwise, with growing pauses', async () => {
    const worker = await startTestWorker(jetty, ['images.busy'])
    const at = await started({ step_configs: { small: { activity: 'images.busy' } }, steps: ['small'] })
    const attempts: number[] = []
    for (let tries = 0; tries < 3; tries++) {
      const job = await worker.take()
      attempts.push(job.attempt)
      await worker.say(job, 'fail', { error: 'busy disk', retryable: true })
    }
    const run = await ended(at)
    expect([attempts, run.status]).toEqual([[1, 2, 3], 'failed'])
    expect(run.steps.small.error_detail ?? run.steps.small.error).toMatchObject({ message: 'busy disk' })
    const list = run.steps.small.attempts as { n: number; started: string; ended: string }[]
    const pauses = list.slice(1).map(({ started: next }, of) => Date.parse(next) - Date.parse(list[of]?.ended ?? ''))
    expect(pauses[0]).toBeGreaterThanOrEqual(390)
    expect(pauses[1]).toBeGreaterThanOrEqual(1_590)
    expect((await worker.poll({ wait_seconds: 0 })).body.jobs).toEqual([])
  })
})

describe('which worker gets a job', () => {
  it('is one with the labels that the step asks for', async () => {
    const plain = await startTestWorker(jetty, ['labels.work'])
    const gpu = await startTestWorker(jetty, ['labels.work'], { labels: ['gpu', 'eu'] })
    const at = await started({
      step_configs: { work: { activity: 'labels.work', runs_on: ['gpu'] } },
      steps: ['work'],
    })
    const job = await gpu.take()
    expect(job.run.trajectory_id).toBe(at.id)
    expect((await plain.poll({ wait_seconds: 0 })).body.jobs).toEqual([])
    await gpu.say(job, 'complete')
    expect((await ended(at)).status).toBe('completed')
    // The same for all steps of a collection.
    await jetty.call('PATCH', '/api/v1/collections/acme/settings', { worker_labels: ['eu'] })
    const next = await started({ step_configs: { work: { activity: 'labels.work' } }, steps: ['work'] })
    const other = await gpu.take()
    await jetty.call('PATCH', '/api/v1/collections/acme/settings', { worker_labels: null })
    expect(other.run.trajectory_id).toBe(next.id)
    expect((await plain.poll({ wait_seconds: 0 })).body.jobs).toEqual([])
    await gpu.say(other, 'complete')
    expect((await ended(next)).status).toBe('completed')
  })

  it('is one of the version that began the run, as long as there is one', async () => {
    const steps = { a: { activity: 'sticky.work' }, b: { activity: 'sticky.work', depends_on: ['a'] } }
    const old = await startTestWorker(jetty, ['sticky.work'], { version: '1' })
    const at = await started({ step_configs: steps, steps: ['a', 'b'] })
    const first = await old.take()
    const fresh = await startTestWorker(jetty, ['sticky.work'], { version: '2' })
    const waiting = fresh.poll({ wait_seconds: 2 })
    await old.say(first, 'complete')
    const second = await old.take()
    expect([first.run.step, second.run.step]).toEqual(['a', 'b'])
    expect((await waiting).body.jobs).toEqual([])
    await old.say(second, 'complete')
    expect((await ended(at)).status).toBe('completed')
  })

  it('is none of another key, whatever it asks', async () => {
    await jetty.call('POST', '/api/v1/collections', { name: 'other' })
    const keyFor = async (collection_name: string, name: string): Promise<string> =>
      (await jetty.call('POST', '/api/v1/api-keys', { name, collection_name, access_level: 'WORKER' })).body.api_key
    const [mine, theirs] = [await keyFor('acme', 'mine'), await keyFor('other', 'theirs')]
    const stranger = await startTestWorker(jetty, ['keys.work'], {}, theirs)
    const own = await startTestWorker(jetty, ['keys.work'], {}, mine)
    const at = await started({ step_configs: { work: { activity: 'keys.work' } }, steps: ['work'] })
    const job = await own.take()
    expect((await stranger.poll({ wait_seconds: 0 })).body.jobs).toEqual([])
    const tries = [
      await stranger.say(job, 'complete'), // a worker of its own, a job of another
      await jetty.call('POST', `/api/v1/workers/${own.id}/jobs/${job.job_id}/complete`, { epoch: job.epoch }, theirs),
      await jetty.call('POST', `/api/v1/workers/${own.id}/poll`, {}, theirs),
      await jetty.call('DELETE', `/api/v1/workers/${own.id}`, undefined, theirs),
      await own.say({ ...job, epoch: 99 }, 'complete'),
    ]
    expect(tries.map(({ status }) => status)).toEqual([409, 404, 404, 404, 409])
    expect((await jetty.call('GET', '/api/v1/tasks/acme', undefined, mine)).status).toBe(403)
    await own.say(job, 'complete')
    expect((await ended(at)).status).toBe('completed')
    expect((await jetty.call('DELETE', `/api/v1/workers/${own.id}`, undefined, mine)).body).toEqual({ jobs: 0 })
    expect((await own.poll()).body).toEqual({ jobs: [], drain: true })
  })
})

describe('schemas', () => {
  const typed = {
    name: 'typed.work',
    parameters: { type: 'object', properties: { size: { type: 'integer' } }, required: ['size'] },
    outputs: { type: 'object', properties: { url: { type: 'string' } }, required: ['url'] },
  }

  it('check the parameters before a job is queued, and the outputs when it is completed', async () => {
    const worker = await startTestWorker(jetty, [typed])
    const wrong = await started({ step_configs: { work: { activity: 'typed.work', size: 'big' } }, steps: ['work'] })
    const { error_detail } = (await ended(wrong)).steps.work
    expect(error_detail).toMatchObject({ code: 'parameter_invalid', message: expect.stringContaining('size') })
    const at = await started({ step_configs: { work: { activity: 'typed.work', size: 4 } }, steps: ['work'] })
    const job = await worker.take()
    const refused = await worker.say(job, 'complete', { outputs: { link: 'x' } })
    expect(refused).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'outputs'] }] } })
    expect((await worker.say(job, 'complete', { outputs: { url: 'x' } })).body).toEqual({ status: 'failed' })
    const run = await ended(at)
    expect(run.steps.work).toMatchObject({ status: 'failed', error: expect.stringContaining('url') })
  })

  it.each<[string, Record<string, unknown>, number]>([
    ['a name of the server', { name: 'text_echo' }, 422],
    ['the same name twice', { name: 'twice.work' }, 422],
    ['a pattern that cannot be', { name: 'a.b', parameters: { properties: { a: { pattern: '(' } } } }, 422],
    ['a schema that is too large', { name: 'a.b', outputs: { description: 'x'.repeat(60_000) } }, 422],
    ['a parameter that a step reads as a path', { name: 'a.b', parameters: { properties: { a_path: {} } } }, 422],
    ['a parameter that a step uses itself', { name: 'a.b', parameters: { properties: { options: {} } } }, 422],
  ])('are refused at registration: %s', async (_, one, status) => {
    const activities = one.name === 'twice.work' ? [one, one] : [one]
    const answer = await jetty.call('POST', '/api/v1/workers', { name: 'box', activities })
    expect(answer.status, JSON.stringify(answer.body)).toBe(status)
  })
})

describe('a secret', () => {
  it('reaches the worker, and is struck out of everything that is recorded', async () => {
    const secret = 'sk-worker-unmistakable-41'
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { TOKEN: secret } })
    const worker = await startTestWorker(jetty, ['secret.work'])
    const at = await started({
      step_configs: { work: { activity: 'secret.work', token_path: 'env.TOKEN' } },
      steps: ['work'],
    })
    const job = await worker.take()
    expect(job.parameters).toEqual({ token: secret })
    await worker.say(job, 'heartbeat', { message: `using ${secret}`, logs: [{ message: `sent ${secret}` }] })
    await worker.say(job, 'complete', { outputs: { said: `it was ${secret}` } })
    const { work } = (await ended(at)).steps
    expect(work).toMatchObject({ inputs: { token: '***' }, outputs: { said: 'it was ***' } })
    expect(work.logs).toMatchObject([{ message: 'sent ***' }])
  })

  it('is the token of a callback URL too, also while the worker is at it', async () => {
    const worker = await startTestWorker(jetty, ['callback.work'])
    const at = await started({
      step_configs: {
        work: { activity: 'callback.work', notify_path: 'callbacks.paid' },
        paid: { activity: 'wait_for_event' },
      },
      steps: ['work', 'paid'],
    })
    const job = await worker.take()
    const { notify } = job.parameters
    const said = { message: `calls ${notify}`, logs: [{ message: `called ${notify}` }] }
    expect((await worker.say(job, 'heartbeat', said)).status).toBe(200)
    const shown = `${jetty.url}/api/v1/callbacks/***`
    const rows = await jetty.server.database.query<{ message: string; logs: string }>(
      'select message, logs from worker_jobs where id = $1',
      [job.job_id],
    )
    expect(rows[0]?.message).toBe(`calls ${shown}`)
    expect(JSON.parse(rows[0]?.logs ?? '')).toMatchObject([{ message: `called ${shown}` }])
    await worker.say(job, 'complete')
    await jetty.call('POST', notify.slice(jetty.url.length), {})
    expect((await ended(at)).status).toBe('completed')
  })
})

describe('an activity that a worker offers', () => {
  it('is in the catalogue of those whose collections it serves', async () => {
    await startTestWorker(jetty, [
      {
        name: 'listed.work',
        description: 'Does it.',
        parameters: { type: 'object', properties: { size: { type: 'integer', description: 7 } }, required: ['size'] },
        outputs: { type: 'object', properties: { url: { type: 'string' } } },
      },
    ])
    const one = await jetty.call('GET', '/api/v1/step-templates/listed.work')
    expect(one.body).toMatchObject({
      category: 'workers',
      description: 'Does it.',
      parameters: [{ name: 'size', type: 'integer', required: true, description: '' }, { name: 'runs_on' }],
      outputs: [{ path: 'outputs.url', type: 'string' }],
      offered_by: { online: 1, workers: ['test'] },
    })
    const workflow = (activity: string) => ({ step_configs: { work: { activity } }, steps: ['work'] })
    const check = async (activity: string) =>
      (await jetty.call('POST', '/api/v1/tasks/acme/validate', { workflow: workflow(activity) })).body
    expect(await check('listed.work')).toMatchObject({
      valid: true,
      faults: [{ severity: 'warning', message: expect.stringContaining('size is required') }],
    })
    expect(await check('unheard.of')).toMatchObject({
      valid: true,
      faults: [{ severity: 'warning', message: expect.stringContaining("no worker offers 'unheard.of'") }],
    })
    const open = await fetch(`${jetty.url}/api/v1/step-templates/listed.work`)
    expect(open.status).toBe(404)
  })

  it('that nobody offers lets the step wait, and say so', async () => {
    const at = await started({ step_configs: { work: { activity: 'nobody.work' } }, steps: ['work'] })
    const waits = await jetty.until(at.task, at.id, ({ steps }) => steps.work?.wait !== undefined)
    expect(waits.steps.work.wait).toEqual({ for: 'worker', until: null })
    expect(waits.steps.work.logs).toMatchObject([{ message: expect.stringContaining('No worker offers nobody.work') }])
    const worker = await startTestWorker(jetty, ['nobody.work'])
    await worker.say(await worker.take(), 'complete')
    expect((await ended(at)).status).toBe('completed')
  })
})

describe('a run', () => {
  it('leaves memory when its worker takes long, and goes on with the result', async () => {
    const worker = await startTestWorker(jetty, ['long.work'])
    const at = await started({ step_configs: { work: { activity: 'long.work' } }, steps: ['work'] })
    const job = await worker.take()
    const parked = async () =>
      (await jetty.server.database.query('select from runs where trajectory_id = $1 and lease is null', [at.id])).length
    await expect.poll(parked, { timeout: 40_000 }).toBe(1)
    await worker.say(job, 'complete', { outputs: { done: true } })
    expect(await ended(at)).toMatchObject({
      status: 'completed',
      steps: { work: { attempt: 1, outputs: { done: true } } },
    })
  })

  it('that is cancelled tells its worker', async () => {
    const worker = await startTestWorker(jetty, ['cancel.work'])
    const at = await started({ step_configs: { work: { activity: 'cancel.work' } }, steps: ['work'] })
    const job = await worker.take()
    await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/statuses`, { [at.id]: 'cancelled' })
    expect((await ended(at)).status).toBe('cancelled')
    expect((await worker.say(job, 'heartbeat')).body).toMatchObject({ cancelled: true })
    expect((await worker.say(job, 'complete')).status).toBe(409)
  })
})
