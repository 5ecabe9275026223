// The workers that come with Jetty, TypeScript and Python, beside each other on one server, partly through a proxy with faults.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ActivityError, activity, type OwnActivity, z } from '../../../src/activities/own/declare.ts'
import { type WorkerLog, type WorkerOptions, worker } from '../../../src/client/worker/worker.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { startFaultProxy } from './fault-proxy.ts'

const python = fileURLToPath(new URL('../../../examples/workers/reverse_words.py', import.meta.url))

/** Values that activities of the test wait for, and what they have seen. */
const seen = { begun: [] as string[], ended: [] as unknown[] }
let open = () => {}
let gate = Promise.resolve()
const closeGate = () => {
  gate = new Promise((resolve) => (open = resolve))
}

const text = { parameters: z.object({ text: z.string().describe('Text.') }), description: 'Does one thing.' }
const loud = z.object({ text: z.string().describe('Text.') })

const activities: OwnActivity[] = [
  activity({
    ...text,
    name: 'test.shout',
    outputs: loud,
    async run(given, { idempotencyKey, log, run }) {
      seen.begun.push(idempotencyKey)
      log(`Shouting in ${run.collection}`)
      return { text: given.text.toUpperCase() }
    },
  }),
  activity({
    ...text,
    name: 'test.wait',
    outputs: loud,
    async run(given, { signal, idempotencyKey, progress }) {
      seen.begun.push(idempotencyKey)
      progress(0.5, 'half')
      const aborted = new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))
      seen.ended.push(await Promise.race([gate, aborted]))
      return given
    },
  }),
  activity({
    ...text,
    name: 'test.fail',
    outputs: loud,
    async run(given, { step }) {
      if (given.text === 'lie') return { text: 7 as unknown as string }
      if (given.text === 'once' && step.attempt > 1) return { text: `attempt ${step.attempt}` }
      throw given.text === 'once' ? new ActivityError('busy', { retryable: true }) : new Error('it is broken')
    },
  }),
  activity({
    ...text,
    name: 'test.copy',
    outputs: z.object({ file: z.string().describe('Path.') }),
    async run(given, { files }) {
      const content = Buffer.from(await (await files.open(given.text)).bytes()).toString()
      return { file: (await files.save({ name: 'copy.txt', content_type: 'text/plain', body: content })).path }
    },
  }),
]

let jetty: TestServer
let key: string
const started: (() => unknown)[] = []

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_WORKER_LEASE_SECONDS: '90' } })
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'w', collection_name: 'acme', access_level: 'WORKER' }))
    .body.api_key
})
afterEach(async () => {
  open()
  for (const stop of started.splice(0).reverse()) await stop()
})
afterAll(() => jetty?.close())

const start = (options: Partial<WorkerOptions> = {}) => {
  const stopping = new AbortController()
  const lines: WorkerLog[] = []
  const log = (entry: WorkerLog) => void lines.push(entry)
  const given = { url: jetty.url, token: key, activities, concurrency: 3, log, signal: stopping.signal, ...options }
  const ended = worker(given)
  const stop = () => {
    stopping.abort()
    return ended
  }
  started.push(stop)
  return { lines, ended, stop }
}

const startPython = (url: string): ChildProcess => {
  const env = { PATH: process.env.PATH, JETTY_API_URL: url, JETTY_API_TOKEN: key }
  const child = spawn('python3', [python], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  started.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  return child
}

const flow = (name: string, value: string, more = {}) => ({
  step_configs: { own: { activity: name, text: value, ...more } },
  steps: ['own'],
})
const own = async (name: string, value: string, more = {}) =>
  (await jetty.run(flow(name, value, more))).trajectory.steps.own

const isOver = ({ status }: { status: string }): boolean => !['pending', 'running'].includes(status)

describe('a worker', () => {
  it('in TypeScript and one in Python carry out the steps of one run', async () => {
    start()
    const child = startPython(jetty.url)
    const { trajectory } = await jetty.run({
      step_configs: {
        shout: { activity: 'test.shout', text: 'one two three' },
        reverse: { activity: 'text.reverse', text_path: 'shout.outputs.text' },
      },
      steps: ['shout', 'reverse'],
    })
    expect(trajectory.steps.reverse.outputs).toEqual({ text: 'THREE TWO ONE' })
    expect(JSON.stringify(trajectory.steps.shout.logs)).toContain('Shouting in acme')
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })

  it('opens and saves files of the collection', async () => {
    start()
    const workflow = {
      step_configs: { own: { activity: 'test.copy', text_path: 'init_params.file_paths[0]' } },
      steps: ['own'],
    }
    const { trajectory } = await jetty.run(workflow, {}, { 'a.txt': 'content' })
    expect(trajectory.steps.own.error).toBeNull()
    expect((await jetty.call('GET', `/api/v1/file/${trajectory.steps.own.outputs.file}`)).body).toBe('content')
  })

  it('tells why an activity failed, and has it tried again where that can help', async () => {
    start()
    expect(await own('test.fail', 'x')).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('it is broken'),
    })
    expect((await own('test.fail', 'lie')).error).toContain('outputs.text: Invalid input: expected string')
    expect((await own('test.fail', 'once')).outputs).toEqual({ text: 'attempt 2' })
  })

  it('is refused with the reason when its key is not valid', async () => {
    await expect(start({ token: 'wrong' }).ended).rejects.toThrow('Invalid API key')
    started.pop()
  })

  it('finishes its jobs when it is stopped, and leaves the next one to another', async () => {
    closeGate()
    const first = start()
    const task = await jetty.task(flow('test.wait', 'held'))
    const before = seen.begun.length
    const one = await jetty.start(task)
    await expect.poll(() => seen.begun.length).toBe(before + 1)
    const stopped = first.stop()
    open()
    await stopped
    expect((await jetty.until(task, one.trajectory_id, isOver)).steps.own.outputs).toEqual({ text: 'held' })
    const two = await jetty.start(task)
    start()
    expect((await jetty.until(task, two.trajectory_id, isOver)).steps.own.outputs).toEqual({ text: 'held' })
  })

  it('gives jobs back that do not end in time', async () => {
    closeGate()
    const first = start({ drainSeconds: 0 })
    const task = await jetty.task(flow('test.wait', 'slow'))
    const before = seen.begun.length
    const { trajectory_id } = await jetty.start(task)
    await expect.poll(() => seen.begun.length).toBe(before + 1)
    await first.stop()
    expect(String(seen.ended.at(-1))).toContain('The worker stopped before the activity ended')
    open()
    start()
    const done = await jetty.until(task, trajectory_id, isOver)
    expect(done.steps.own.attempt).toBe(2)
  })
})

describe('through a proxy that drops and delays', () => {
  it('carries out every job once', async () => {
    const proxy = await startFaultProxy(jetty.url, 0.3)
    started.push(() => proxy.close())
    start({ url: proxy.url })
    startPython(proxy.url)
    const task = await jetty.task({
      step_configs: {
        shout: { activity: 'test.shout', text_path: 'init_params.text' },
        reverse: { activity: 'text.reverse', text_path: 'shout.outputs.text' },
      },
      steps: ['shout', 'reverse'],
    })
    const before = seen.begun.length
    const texts = Array.from({ length: 4 }, (_, at) => `a b${at}`)
    const runs = await Promise.all(texts.map((value) => jetty.start(task, { init_params: { text: value } })))
    for (const [at, { trajectory_id }] of runs.entries()) {
      const { steps } = await jetty.until(task, trajectory_id, isOver)
      expect(steps.reverse.outputs).toEqual({ text: `B${at} A` })
    }
    const begun = seen.begun.slice(before)
    expect([begun.length, new Set(begun).size]).toEqual([4, 4])
    expect(proxy.fates.lost + proxy.fates.refused).toBeGreaterThan(0)
  })

  it('goes on after the connection was cut', async () => {
    const proxy = await startFaultProxy(jetty.url, 0.001)
    started.push(() => proxy.close())
    const { lines } = start({ url: proxy.url })
    expect((await own('test.shout', 'before')).outputs).toEqual({ text: 'BEFORE' })
    proxy.cut()
    const task = await jetty.task(flow('test.shout', 'after'))
    const { trajectory_id } = await jetty.start(task)
    await expect.poll(() => lines.map(({ message }) => message).join()).toContain('no answer, trying on')
    proxy.mend()
    await jetty.until(task, trajectory_id, isOver)
  })
})
