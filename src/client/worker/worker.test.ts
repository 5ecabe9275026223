// The worker against a server that is made up, and answers as a real one does after restarts and lost answers.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { ActivityError, activity, z } from '../../activities/own/declare.ts'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import { makeHeldJobs, registration, worker } from './worker.ts'

interface Asked {
  call: string
  body: Record<string, unknown>
}
type Answer = { status?: number; body?: unknown } | 'lost' | 'hung'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Answers each call by its name from a list; the last answer of a list stays. */
const startServer = async (answers: Record<string, Answer[]>) => {
  const asked: Asked[] = []
  const server = createServer((incoming, outgoing) => {
    let text = ''
    incoming.on('data', (chunk) => (text += chunk))
    incoming.on('end', () => {
      const verb = /\/(poll|heartbeat|complete|fail)$/.exec(incoming.url ?? '')?.[1]
      const call = verb ?? (incoming.method === 'DELETE' ? 'stop' : 'register')
      asked.push({ call, body: text === '' ? {} : JSON.parse(text) })
      const list = answers[call] ?? [{ body: {} }]
      const answer = (list.length > 1 ? list.shift() : list[0]) ?? {}
      if (answer === 'hung') return
      if (answer === 'lost') return void incoming.socket.destroy()
      outgoing.writeHead(answer.status ?? 200, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify(answer.body ?? {}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const job = (text: unknown, job_id = 'j1') => ({
  ...{ job_id, epoch: 1, attempt: 1, activity: 'test.shout', version: null, parameters: { text } },
  ...{ idempotency_key: 'k/0', deadline: '', lease_expires_at: '' },
  run: { collection: 'acme', task: 'loud', trajectory_id: '1f2e3d4c', step: 'own' },
})
const registered = { body: { worker_id: 'w', lease_seconds: 90, heartbeat_seconds: 30, poll_seconds: 1 } }
const end = { body: { jobs: [], drain: true } }
const polled = (...jobs: object[]) => ({ body: { jobs, drain: false } })

let runs = 0
const shout = activity({
  name: 'test.shout',
  description: 'Shouts.',
  parameters: z.object({ text: z.string().describe('Text.') }),
  outputs: z.object({ text: z.string().describe('Loud text.') }),
  async run({ text }) {
    runs += 1
    return { text: text.toUpperCase() }
  },
})

const work = async (answers: Record<string, Answer[]>) => {
  runs = 0
  const { url, asked } = await startServer({ register: [registered], ...answers })
  await worker({ url, token: 'key', activities: [shout], signal: new AbortController().signal, log: () => {} })
  return { asked, of: (call: string) => asked.filter((one) => one.call === call) }
}

it('completes a job, and repeats the completion until it is answered', async () => {
  const complete: Answer[] = ['lost', { status: 503, body: { detail: 'Stopping' } }, { body: { status: 'completed' } }]
  const { of } = await work({ poll: [polled(job('hi')), end], complete })
  expect(of('complete').map(({ body }) => body)).toEqual(
    Array.from({ length: 3 }, () => ({ epoch: 1, outputs: { text: 'HI' }, logs: [] })),
  )
  expect(of('poll')[1]?.body).toMatchObject({ free: 3, holding: ['j1'] })
})

it('sends the next heartbeat when one is not answered', async () => {
  const { url, asked } = await startServer({
    register: [{ body: { ...registered.body, heartbeat_seconds: 0.05 } }],
    poll: [polled(job('hi')), end],
    heartbeat: ['hung', { body: { cancelled: false } }],
  })
  const beats = () => asked.filter(({ call }) => call === 'heartbeat').length
  const slow: typeof shout = {
    ...shout,
    async run({ text }) {
      await vi.waitUntil(() => beats() > 1, { timeout: 15_000 })
      return { text: String(text) }
    },
  }
  await worker({ url, token: 'key', activities: [slow], signal: new AbortController().signal, log: () => {} })
  expect(asked.map(({ call }) => call)).toContain('complete')
}, 20_000)

it('carries a job out once that is given twice with the same epoch', async () => {
  const { of } = await work({
    poll: [polled(job('hi')), polled(job('hi'), job('ho', 'j2')), end],
    complete: ['lost', 'lost', { body: { status: 'completed' } }],
  })
  expect(runs).toBe(2)
  expect(of('complete').length).toBe(4)
})

it('registers again when the server does not know it, and goes on through lost polls', async () => {
  const gone = { status: 404, body: { detail: 'Worker not found' } }
  const { of } = await work({ poll: ['lost', gone, polled(job('hi')), end] })
  expect([of('register').length, of('complete').length]).toEqual([2, 1])
})

it('drops a job that another worker has', async () => {
  const { asked, of } = await work({
    poll: [polled(job('hi')), end],
    complete: [{ status: 409, body: { detail: 'This worker does not have the job' } }],
  })
  expect(of('complete').length).toBe(1)
  expect(asked.map(({ call }) => call)).not.toContain('fail')
})

it.each<[string, unknown, string]>([['parameters that do not fit', 7, 'Parameters of test.shout are not valid: text']])(
  'fails a job for %s',
  async (_name, text, message) => {
    const { of } = await work({ poll: [polled(job(text)), end] })
    expect(of('fail')[0]?.body).toMatchObject({ epoch: 1, retryable: false, error: expect.stringContaining(message) })
  },
)

it('fails a job whose outputs the server refuses to read', async () => {
  const { of } = await work({
    poll: [polled(job('hi')), end],
    complete: [{ status: 413, body: { detail: 'The body is too large' } }],
  })
  expect(of('fail')[0]?.body.error).toBe('The outputs were refused: The body is too large')
})

it('asks to be stopped, and ends when the server gives it no more', async () => {
  const stopping = new AbortController()
  const { url, asked } = await startServer({ register: [registered], poll: [polled(), polled(job('hi')), end] })
  const log = () => stopping.abort() // with the first line, which says that it is registered
  await worker({ url, token: 'key', activities: [shout], signal: stopping.signal, log })
  expect(asked.map(({ call }) => call)).toEqual(expect.arrayContaining(['stop', 'complete']))
})

it('tells of a failure in words that the server accepts', async () => {
  const late: typeof shout = {
    ...shout,
    run: () => Promise.reject(new ActivityError('a\0b', { retryable: true, retryAfterSeconds: 1e9 })),
  }
  const { url, asked } = await startServer({ register: [registered], poll: [polled(job('hi')), end] })
  await worker({ url, token: 'key', activities: [late], signal: new AbortController().signal, log: () => {} })
  expect(asked.find(({ call }) => call === 'fail')?.body).toMatchObject({
    ...{ error: 'a\ufffdb', retryable: true, retry_after_seconds: 86_400 },
  })
})

it.each([true, false])('gives a job back that does not end in time; idempotent: %s', async (idempotent) => {
  const stopping = new AbortController()
  const endless: typeof shout = {
    ...shout,
    idempotent,
    run() {
      stopping.abort()
      return new Promise(() => {})
    },
  }
  const { url, asked } = await startServer({ register: [registered], poll: [polled(job('hi')), end] })
  await worker({ url, token: 'key', activities: [endless], signal: stopping.signal, drainSeconds: 0, log: () => {} })
  expect(asked.find(({ call }) => call === 'fail')?.body).toMatchObject({ retryable: idempotent })
})

it('ends when its key is refused', async () => {
  const refused = { status: 401, body: { detail: 'Invalid API key' } }
  await expect(work({ register: [refused] })).rejects.toThrow('Invalid API key')
})

const resize = activity({
  name: 'images.resize',
  description: 'Makes an image smaller.',
  parameters: z.object({ url: z.url().describe('Image.'), width: z.int().default(400).describe('Pixels.') }),
  outputs: z.object({ url: z.string().describe('Small image.') }),
  timeoutSeconds: 60,
  idempotent: false,
  run: async ({ url }) => ({ url }),
})

it('offers activities as JSON Schema', () => {
  const body = registration({ activities: [resize], labels: ['gpu'], version: '2', limits: { 'images.resize': 1 } })
  expect(body).toMatchObject({ version: '2', labels: ['gpu'], concurrency: 4 })
  expect(body.activities).toMatchObject([
    {
      ...{ name: 'images.resize', concurrency: 1, timeout_seconds: 60, idempotent: false },
      parameters: {
        type: 'object',
        properties: { url: { type: 'string', description: 'Image.' }, width: { type: 'integer', default: 400 } },
        required: ['url'],
      },
      outputs: { type: 'object', required: ['url'] },
    },
  ])
})

it('refuses names without a dot, and whatever no server would load', () => {
  expect(() => registration({ activities: [{ ...resize, name: 'resize', example: {} }] })).toThrow(
    "resize: names of a worker's activities have a dot, such as text.resize",
  )
  expect(() => registration({ activities: [{ ...resize, description: '' }] })).toThrow('images.resize.description')
  expect(() => registration({ activities: [] })).toThrow('exports no activity')
})

const heldJob = (job_id: string, epoch = 1) => ({ job_id, epoch }) as WorkerJob

it('begins a job once, and has room again when one has ended', async () => {
  const ends = new Map<string, () => void>()
  const begun: string[] = []
  const held = makeHeldJobs(2, ({ job_id, epoch }) => {
    begun.push(`${job_id} ${epoch}`)
    return new Promise((resolve) => ends.set(job_id, resolve))
  })
  const { signal } = new AbortController()
  expect(await held.room(signal)).toBe(2)
  for (const one of [heldJob('a'), heldJob('a'), heldJob('b')]) held.begin(one)
  expect([begun, held.ids()]).toEqual([
    ['a 1', 'b 1'],
    ['a', 'b'],
  ])
  const room = held.room(signal)
  ends.get('a')?.()
  expect(await room).toBe(1)
  held.begin(heldJob('a', 2)) // given again after its lease had ended
  expect(begun).toEqual(['a 1', 'b 1', 'a 2'])
  const stopping = new AbortController()
  const none = held.room(stopping.signal)
  stopping.abort()
  expect(await none).toBe(0)
  for (const end of ends.values()) end()
  await held.ended()
  expect(held.ids()).toEqual([])
})
