// What is kept of deliveries: bounded by days, number and bytes, and counted as storage of the collection.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { sweepHookDeliveries } from '../../../src/store/hooks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { echoing, github, type TestHooks, testHooks } from './receiving.ts'

let jetty: TestServer
let hooks: TestHooks
let hook: Body
beforeAll(async () => {
  jetty = await startTestServer({ beatMs: 100, env: { JETTY_HOOK_KEPT_BYTES: '5000' } })
  hooks = testHooks(jetty)
})
afterAll(() => jetty?.close())
beforeEach(async () => {
  hook = await hooks.create({ task: await jetty.task(echoing), sender: 'github', disabled: true })
})

const many = 1_000_000_000
const longAgo = 3_650
const bodyBytes = 1_000
/** A body of a thousand bytes. */
const body = (at: number) => ({ at, text: 'x'.repeat(bodyBytes - JSON.stringify({ at, text: '' }).length) })
const receive = async (count: number): Promise<void> => {
  for (let at = 1; at <= count; at++) expect((await github(hook, { id: `d-${at}`, body: body(at) })).status).toBe(200)
}
const ids = async () => (await hooks.deliveries(hook.name)).map(({ id }) => id)
const sweep = (kept: { days?: number; most?: number; bytes?: number }) =>
  sweepHookDeliveries(jetty.server.database, { days: longAgo, most: many, bytes: many, ...kept })
const usedBytes = async (): Promise<number> => {
  const [row] = await jetty.server.database.query<{ bytes: string }>(
    `select database_bytes as bytes from collection_usage u join collections c on c.id = u.collection_id where c.name = 'acme'`,
  )
  return Number(row?.bytes ?? 0)
}

it('the oldest are removed where their payloads are too large, and the collection uses that much less', async () => {
  const before = await usedBytes()
  await receive(4)
  // What a process stores is added up to a second later.
  await expect.poll(usedBytes).toBe(before + 4 * bodyBytes)
  await sweep({ bytes: 4 * bodyBytes })
  expect(await ids()).toHaveLength(4)
  await sweep({ bytes: 3 * bodyBytes - 1 })
  expect(await ids()).toEqual(['d-4', 'd-3'])
  expect(await usedBytes()).toBe(before + 2 * bodyBytes)
  await jetty.call('DELETE', `/api/v1/hooks/acme/${hook.name}`)
  expect(await usedBytes()).toBe(before)
})

it('the oldest are removed where there are too many', async () => {
  await receive(4)
  await sweep({ most: 4 })
  expect(await ids()).toEqual(['d-4', 'd-3', 'd-2', 'd-1'])
  await sweep({ most: 2 })
  expect(await ids()).toEqual(['d-4', 'd-3'])
})

it('what is older than so many days is removed', async () => {
  await receive(2)
  await jetty.server.database.query(
    `update hook_deliveries set received_at = now() - interval '8 days' where delivery_id = 'd-1'`,
  )
  await sweep({ days: 7 })
  expect(await ids()).toEqual(['d-2'])
})

it('what waits for its run is not removed, and takes no more than it may', async () => {
  await receive(5)
  // As a server that stands still would leave them.
  await jetty.server.database.query(
    `update hook_deliveries d set state = 'waiting', due_at = 'infinity' from hooks h where h.id = d.hook_id and h.name = $1`,
    [hook.name],
  )
  await sweep({ most: 1, bytes: 1, days: 1 })
  expect(await ids()).toHaveLength(5)
  const answer = await github(hook, { id: 'd-6', body: body(6) })
  expect([answer.status, answer.body]).toEqual([
    503,
    expect.objectContaining({
      detail: expect.stringContaining('wait for their run already'),
      hint: 'Send it again later, or raise JETTY_HOOK_KEPT_BYTES.',
    }),
  ])
  await jetty.call('DELETE', `/api/v1/hooks/acme/${hook.name}`)
})
