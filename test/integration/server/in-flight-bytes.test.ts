import { once, setMaxListeners } from 'node:events'
import { createConnection } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

/** A quarter of a mebibyte: the server has 64 of them, as small as shows what happens. */
const unit = 256 * 1024

let jetty: TestServer
let database: Database
let openGate = () => {}
const gate = new Promise<void>((resolve) => {
  openGate = resolve
})
let begun = 0

/** Says that it needs as much memory as it puts out, then waits for the test. */
const holder = activity({
  name: 'holder',
  category: 'text',
  description: 'Holds memory until the test lets it go.',
  parameters: z.object({ bytes: z.number() }),
  outputs: z.object({ text: z.string() }),
  example: { activity: 'holder', bytes: 1 },
  async run({ bytes }, context) {
    await context.room(bytes)
    begun++
    await gate
    return { text: 'x'.repeat(10) }
  },
})

beforeAll(async () => {
  jetty = await startTestServer({
    activities: [holder],
    env: { JETTY_IN_FLIGHT_BYTES: '16MiB', JETTY_MAX_BODY_BYTES: '16MiB', JETTY_MAX_OUTPUT_BYTES: '8MiB' },
  })
  database = openDatabase(jetty.database.url, { connections: 1 })
})
afterAll(async () => {
  await database.close()
  await jetty.close()
})

/** A text of so many units, made of a short one. */
const large = (size: number) => ({
  init_params: { part: 'x'.repeat(1024) },
  step_configs: {
    some: { activity: 'text_template', template: '{{t}}'.repeat(256), t_path: 'init_params.part' },
    all: { activity: 'text_template', template: '{{t}}'.repeat(size), t_path: 'some.outputs.text' },
    length: { activity: 'text_split', text_path: 'all.outputs.text', chunk_size: 2 * unit },
  },
  steps: ['some', 'all', 'length'],
})

const idle = () => expect.poll(() => jetty.server.engine.statistics().memory.used).toBe(0)

describe('memory of large values', () => {
  it('is shared by steps: what finds no room waits, and nothing is held afterwards', async () => {
    const task = await jetty.task(large(4))
    const ids = await Promise.all(Array.from({ length: 8 }, async () => (await jetty.start(task)).trajectory_id))
    for (const id of ids) {
      const run = await jetty.until(task, id, (seen) => seen.ended != null)
      expect([run.status, run.steps.length.outputs.count]).toEqual(['completed', 2])
      expect(run.steps.length.inputs.text).toHaveLength(4 * unit)
    }
    await idle()
  })

  it('is refused to a step that needs more than there is, in words that say what to do', async () => {
    const run = await jetty.run(large(24))
    expect(run.status).toBe('failed')
    expect(run.error).toContain('of memory at once; at most 12.3 MiB is available')
    const { error_detail: detail } = run.trajectory.steps.all
    expect([detail.code, detail.hint]).toEqual(['too_large', expect.stringContaining('JETTY_IN_FLIGHT_BYTES')])
    await idle()
  })

  it('is refused to outputs above JETTY_MAX_OUTPUT_BYTES before they are written out', async () => {
    const run = await jetty.run(large(33))
    expect(run.trajectory.steps.all.error_detail).toMatchObject({
      code: 'output_too_large',
      message: "Step 'all' produced 8.3 MiB of outputs; at most 8.0 MiB are kept",
    })
    await idle()
  })

  it('does not keep a step from what another step was given, however large that is', async () => {
    const run = await jetty.run({
      init_params: { text: 'y'.repeat(200_000) },
      step_configs: {
        first: { activity: 'text_echo', text_path: 'init_params.text' },
        second: { activity: 'text_split', text_path: 'first.inputs.text', chunk_size: 100_000 },
      },
      steps: ['first', 'second'],
    })
    expect([run.status, run.trajectory.steps.second.outputs.count]).toEqual(['completed', 2])
  })

  it('is refused to a body that could never fit: 413 before it has come whole', async () => {
    const { status, body } = await jetty.call('POST', '/api/v1/collections', { name: 'z'.repeat(40 * unit) })
    expect([status, body.detail]).toEqual([413, expect.stringContaining('of memory at once')])
    await idle()
  })

  it('counts bodies that are held open on the gateway, and lets small calls pass', async () => {
    const held = Array.from({ length: 4 }, () => holdBody(12 * unit))
    await expect.poll(() => jetty.server.engine.statistics().memory.used).toBeGreaterThan(20 * unit)
    const run = await jetty.run({
      init_params: {},
      step_configs: { say: { activity: 'text_echo', text: 'small' } },
      steps: ['say'],
    })
    expect(run.status).toBe('completed')
    expect(jetty.server.engine.statistics().memory.used).toBeLessThanOrEqual(64 * unit)
    for (const socket of held) socket.destroy()
    await idle()
  })

  it('is there for the runs of a tenant that holds as many bodies open as it can', async () => {
    const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'holder', collection_name: 'acme' })
    const isOver = new AbortController()
    setMaxListeners(0, isOver.signal)
    const held = Array.from({ length: 12 }, () => keepHolding(12 * unit, made.body.api_key, isOver.signal))
    await expect.poll(() => jetty.server.engine.statistics().memory.waiting).toBeGreaterThan(0)
    const task = await jetty.task(large(4))
    const ids = await Promise.all([1, 2].map(async () => (await jetty.start(task)).trajectory_id))
    const statuses = () =>
      database.query('select status from runs where trajectory_id = any($1) and ended_at is not null', [ids])
    await expect.poll(statuses, { timeout: 80_000 }).toEqual([{ status: 'completed' }, { status: 'completed' }])
    isOver.abort()
    await Promise.all(held)
    await idle()
  }, 90_000)

  it('is waited for by a request no longer than some seconds: 503 with Retry-After', async () => {
    const task = await jetty.task({
      init_params: {},
      step_configs: { hold: { activity: 'holder', bytes: 48 * unit } },
      steps: ['hold'],
    })
    const { trajectory_id: id } = await jetty.start(task)
    await expect.poll(() => begun).toBe(1)
    const refused = await jetty.call('POST', '/api/v1/collections', { name: 'z'.repeat(10 * unit) })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
    expect(refused.body.detail).toContain('did not get')
    openGate()
    const ended: Body = await jetty.until(task, id, (run) => run.ended !== null)
    expect(ended.status).toBe('completed')
    await idle()
  })

  it('is given up by a step that is cancelled while it waits', async () => {
    const holding = {
      init_params: {},
      step_configs: { hold: { activity: 'holder', bytes: 48 * unit } },
      steps: ['hold'],
    }
    const task = await jetty.task(holding)
    const socket = Array.from({ length: 3 }, () => holdBody(12 * unit))
    await expect.poll(() => jetty.server.engine.statistics().memory.used).toBeGreaterThan(20 * unit)
    const { trajectory_id: id } = await jetty.start(task)
    await expect.poll(() => jetty.server.engine.statistics().memory.waiting).toBeGreaterThan(0)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    expect((await jetty.until(task, id, (run) => run.ended !== null)).status).toBe('cancelled')
    for (const one of socket) one.destroy()
    await idle()
  })
})

const letters = Buffer.alloc(12 * unit, 'x')

/** Sends all but the end of a body to the gateway. */
const holdBody = (bytes: number, token = jetty.server.adminToken) => {
  const { hostname, port } = new URL(jetty.url)
  const socket = createConnection(Number(port), hostname)
  socket.on('error', () => {})
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: jetty\r\nAuthorization: Bearer ${token}\r\n` +
      `X-Jetty-Collection: acme\r\nContent-Type: application/json\r\nContent-Length: ${bytes + 1}\r\n\r\n`,
  )
  socket.write(letters.subarray(0, bytes))
  return socket
}

/** Holds a body open again each time that the server gives it up. */
const keepHolding = async (bytes: number, token: string, isOver: AbortSignal) => {
  while (!isOver.aborted) {
    const socket = holdBody(bytes, token)
    const end = () => socket.destroy()
    isOver.addEventListener('abort', end, { once: true })
    socket.on('data', end)
    await once(socket, 'close')
  }
}
