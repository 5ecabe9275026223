// Runs with large texts in each of three collections that one key made: no step may stand still for another, the process stays
// within its memory, and a neighbour is served meanwhile.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const kib = 1024
const runsOfEach = 12
/** Runs are queued by a process that executes none, and taken over by one that executes them. */
let api: TestServer
let jetty: TestServer
const env = { JETTY_IN_FLIGHT_BYTES: '32MiB', JETTY_MAX_OUTPUT_BYTES: '8MiB' }

beforeAll(async () => {
  api = await startTestServer({ env: { ...env, JETTY_ROLE: 'api' } })
})
afterAll(async () => {
  await jetty?.close()
  await api?.close()
})

/** Makes a text of 1.2 MiB of a fifth of it, and then more. */
const workflow = {
  init_params: { part: 'x'.repeat(240 * kib) },
  step_configs: {
    all: { activity: 'text_template', template: '{{t}}'.repeat(5), t_path: 'init_params.part' },
    again: { activity: 'text_template', template: '{{t}}', t_path: 'all.outputs.text' },
    both: {
      activity: 'text_template',
      template: '{{a}}{{b}}',
      a_path: 'all.outputs.text',
      b_path: 'again.outputs.text',
    },
    length: { activity: 'text_split', text_path: 'both.outputs.text', chunk_size: 1024 * kib },
  },
  steps: ['all', 'again', 'both', 'length'],
}

test('runs with large texts come to an end, and a neighbour is served meanwhile', async () => {
  const made = await api.call('POST', '/api/v1/api-keys', { name: 'maker', collection_name: 'acme' })
  const key = made.body.api_key
  const own = ['first', 'second', 'third']
  for (const name of own) {
    await api.call('POST', '/api/v1/collections', { name }, key)
    await api.call('POST', `/api/v1/tasks/${name}`, { name: 'large', workflow }, key)
  }
  await api.call('POST', '/api/v1/collections', { name: 'neighbour' })
  const small = { step_configs: { say: { activity: 'text_echo', text: 'small' } }, steps: ['say'] }
  await api.call('POST', '/api/v1/tasks/neighbour', { name: 'small', workflow: small })
  const started = await Promise.all(
    own.flatMap((name) =>
      Array.from({ length: runsOfEach }, async (): Promise<Body> => {
        const { status } = await api.call('POST', `/api/v1/run/${name}/large`, new FormData(), key)
        return status
      }),
    ),
  )
  expect(started).toEqual(started.map(() => 200))
  jetty = await startTestServer({ env, beside: api })
  const { engine, database } = jetty.server

  const form = new FormData()
  form.set('init_params', JSON.stringify({ text: 'y'.repeat(900 * kib) }))
  const served: unknown[] = []
  const seen = { waiting: 0, ready: 0, metrics: '' }
  const left = async () => {
    const { used, total, waiting } = engine.statistics().memory
    expect(used).toBeLessThanOrEqual(total)
    if (waiting > seen.waiting) {
      const { body } = await jetty.call('GET', '/ready')
      seen.ready = Math.max(seen.ready, body.memory.waits.length)
      seen.waiting = waiting
    }
    const beside = await jetty.call('POST', '/api/v1/run-sync/neighbour/small', form)
    served.push([beside.status, beside.body.status])
    return database.query(`select status, count(*)::int n from runs where name like '%/large' group by 1`)
  }
  const all = [{ status: 'completed', n: own.length * runsOfEach }]
  await expect.poll(left, { timeout: 100_000, interval: 500 }).toEqual(all)
  expect(served).toEqual(served.map(() => [200, 'completed']))
  expect(seen.waiting).toBeGreaterThan(0)
  expect(seen.ready).toBeGreaterThan(0)
  await expect.poll(() => engine.statistics().memory.used).toBe(0)
}, 120_000)
