import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker } from './test-worker.ts'

let jetty: TestServer

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_DRAIN_SECONDS: '0' } })
}, 60_000)
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
})
