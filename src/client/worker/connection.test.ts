import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, it } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import { createClient } from '../create-client.ts'
import { fetchUnlessSilent, isGone, isWorthRepeating, pauseAfter, untilAnswered, wasHeldBack } from './connection.ts'
import { makeHeldJobs, pollForJobs } from './worker.ts'

it.each<[string, unknown, passing: boolean, gone: boolean]>([
  ['no connection', new TypeError('fetch failed'), true, false],
  ['a timeout', new DOMException('The operation timed out', 'TimeoutError'), true, false],
  ['a client that knows of no answer', new AppError('network_failed', 'No answer'), true, false],
  ['503', new AppError('busy', 'Busy'), true, false],
  ['500', new AppError('internal', 'Internal Server Error'), true, false],
  ['429', new AppError('rate_limited', 'Too many'), true, false],
  ['404', new AppError('not_found', 'No worker'), false, true],
  ['409', new AppError('conflict', 'Another worker has it'), false, true],
  ['401', new AppError('unauthenticated', 'No key'), false, false],
  ['422', new AppError('invalid', 'No outputs'), false, false],
])('%s', (_name, error, passing, gone) => {
  expect([isWorthRepeating(error), isGone(error)]).toEqual([passing, gone])
})

it('waits longer each time, up to 30 s, and at least as long as the server asks', () => {
  for (const failures of [0, 1, 5, 50]) {
    const doubled = Math.min(250 * 2 ** failures, 30_000)
    const pause = pauseAfter(failures, undefined)
    expect(pause).toBeGreaterThanOrEqual(doubled / 2)
    expect(pause).toBeLessThanOrEqual(doubled)
  }
  const busy = new AppError('busy', 'Busy', { retryAfterSeconds: 7 })
  expect(pauseAfter(0, busy)).toBe(7_000)
})

it('repeats a call until it is answered, and gives up when it is stopped', async () => {
  const stopped = new AbortController()
  let calls = 0
  const call = async () => {
    calls += 1
    if (calls < 3) throw new TypeError('fetch failed')
    return 'answer'
  }
  expect(await untilAnswered(call, stopped.signal)).toBe('answer')
  const never = untilAnswered(
    () => Promise.reject(new TypeError('fetch failed')),
    stopped.signal,
    () => stopped.abort(),
  )
  await expect(never).rejects.toThrow('fetch failed')
})

const silentMs = 400

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Answers each request by `answer`, which gets its body. */
const startServer = async (answer: (outgoing: ServerResponse, body: string) => unknown): Promise<string> => {
  const server = createServer(async (incoming, outgoing) => answer(outgoing, await text(incoming)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const watched = fetchUnlessSilent(fetch, silentMs)
const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  )

it('reads an answer that takes longer, as long as bytes come', async () => {
  const url = await startServer(async (outgoing) => {
    for (let sent = 0; sent < 12; sent++) {
      outgoing.write('\n')
      await pause(silentMs / 8)
    }
    outgoing.end('{"jobs":[]}')
  })
  expect(await (await watched(url)).json()).toEqual({ jobs: [] })
})

it('gives up when no byte comes at all, and tells it from an answer that stops coming', async () => {
  const never = await startServer(() => {})
  const heldBack = await failureOf(watched(never))
  expect([wasHeldBack(heldBack), String(heldBack)]).toEqual([true, expect.stringContaining('no byte came for 0 s')])
  const stops = await startServer((outgoing) => outgoing.write('\n'))
  const stopped = await failureOf((await watched(stops)).json())
  expect([wasHeldBack(stopped), String(stopped)]).toEqual([false, expect.stringContaining('no byte came')])
})

it('says that an answer was held back where a proxy cuts its connection meanwhile', async () => {
  const late = await startServer(async (outgoing) => {
    await pause(silentMs * 0.75)
    outgoing.destroy()
  })
  expect(wasHeldBack(await failureOf(watched(late)))).toBe(true)
  const soon = await startServer((outgoing) => outgoing.destroy())
  expect(wasHeldBack(await failureOf(watched(soon)))).toBe(false)
})

it('a worker whose long poll is held back polls shortly from then on', async () => {
  const waits: number[] = []
  const url = await startServer((outgoing, body) => {
    const { wait_seconds: seconds } = JSON.parse(body)
    waits.push(seconds)
    if (seconds > 50) return
    outgoing.setHeader('content-type', 'application/json')
    outgoing.end(JSON.stringify({ jobs: [], drain: waits.length > 3 }))
  })
  const held = makeHeldJobs(1, () => Promise.resolve())
  const client = createClient({ url, token: 'key', fetch: watched })
  const polling = { client, held, workerId: 'w', waitSeconds: 300, stopping: new AbortController().signal }
  expect(await pollForJobs({ ...polling, log: () => {} })).toBe('drained')
  expect(waits).toEqual([300, 50, 50, 50])
})
