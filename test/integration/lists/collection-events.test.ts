import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { removeOldRuns } from '../../../src/store/collections/retention.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { readEvents, type SeenEvent } from '../../event-stream.ts'
import { callJetty, killJetties, startJetty } from '../../jetty-process.ts'
import type { Body } from '../../server.ts'

const token = 'admin-token-of-the-collection-events'
const nap = (seconds: number) => ({ activity: 'sleep', seconds })
const gate = { activity: 'wait_for_approval', message: 'On?' }
const echo = { activity: 'text_echo', text: 'x' }
const workflows = {
  quick: { step_configs: { a: echo }, steps: ['a'] },
  last: { step_configs: { a: echo }, steps: ['a'] },
  gates: { step_configs: { one: gate, two: gate, three: echo }, steps: ['one', 'two', 'three'] },
  naps: { step_configs: { one: nap(0.3), two: nap(0.3), three: echo }, steps: ['one', 'two', 'three'] },
}

let testDatabase: TestDatabase
let database: Database
let dataDir: string
let urls: string[]
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = openDatabase(testDatabase.url, { connections: 4 })
  dataDir = mkdtempSync(join(tmpdir(), 'jetty-collection-events-'))
  const env = { DATABASE_URL: testDatabase.url, JETTY_DATA_DIR: dataDir, JETTY_ADMIN_TOKEN: token, HOME: dataDir }
  urls = [(await startJetty(env).ready).url, (await startJetty(env).ready).url]
  for (const name of ['acme', 'other']) {
    await call(0, 'POST', '/collections', { name })
    for (const [task, workflow] of Object.entries(workflows)) {
      await call(0, 'POST', `/tasks/${name}`, { name: task, workflow })
    }
  }
})
afterAll(async () => {
  await killJetties()
  await database?.close()
  await testDatabase?.drop()
  rmSync(dataDir, { recursive: true, force: true })
})

const call = (server: number, method: string, path: string, body?: unknown) =>
  callJetty(urls[server % 2] as string, token, method, path, body)
const start = async (server: number, task: string, collection = 'acme'): Promise<string> =>
  (await call(server, 'POST', `/run/${collection}/${task}`, {})).body.trajectory_id
const read = (server: number, options: Parameters<typeof readEvents>[2]) =>
  readEvents(`${urls[server % 2]}/api/v1/collections/acme/events`, token, options)
const statusOf = async (id: string): Promise<string> =>
  (await database.query<{ status: string }>('select status from runs where trajectory_id = $1', [id]))[0]?.status ?? ''
const until = async (satisfied: () => Promise<boolean>) => {
  while (!(await satisfied())) await pause(20)
}
const open = async () =>
  (await database.query<{ open: number }>('select count(*)::int as open from runs where ended_at is null'))[0]?.open
const isEnd = (id: string) => (event: SeenEvent) => event.data.trajectory_id === id && event.data.status === 'completed'
const isLast = ({ data }: SeenEvent) => data.task === 'last' && data.status === 'completed'
/** The newest number that anybody has seen when everything is at rest. */
const newest = async () =>
  (await database.query<{ last_value: number }>('select last_value from changes'))[0]?.last_value ?? 0

describe('the events of a collection', () => {
  test('begin with an id to come back with; then every run tells its status and its steps', async () => {
    const before = await start(0, 'quick')
    await until(async () => (await statusOf(before)) === 'completed')
    let gates = ''
    let asked = false
    const approve = async (step: string) => {
      const decision = () =>
        call(0, 'POST', `/trajectory/acme/gates/${gates}/steps/${step}/approval`, { decision: 'approve' })
      await until(async () => (await decision()).status === 200) // before it is parked nothing can be decided
    }
    const opened = new Set<string>()
    const { events, headers } = await read(0, {
      enough: (seen) => {
        if (!asked && seen.length > 0) {
          asked = true
          void start(0, 'quick', 'other')
          void start(1, 'gates').then((id) => {
            gates = id
          })
        }
        const step = seen.at(-1)?.data.step
        if ((step === 'one' || step === 'two') && !opened.has(step)) void approve(opened.add(step) && step)
        // The row of an event is as it is now: an event of step two may be the first that tells of the end.
        return seen.some((event) => gates !== '' && isEnd(gates)(event) && event.data.step === 'three')
      },
    })
    expect(headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(events[0]).toEqual({ id: expect.any(Number), event: 'open', data: {} })
    const told = events.slice(1).filter(({ event }) => event !== 'approval') // these have a test of their own
    expect(
      told.every(({ event, data }) => event === 'run' && data.trajectory_id === gates && data.task === 'gates'),
    ).toBe(true)
    expect([...new Set(told.map(({ data }) => data.step))].filter(Boolean)).toEqual(['one', 'two', 'three'])
    const { step, ...row } = told.at(-1)?.data ?? {}
    expect(step).toBe('three')
    const { body } = await call(0, 'GET', '/runs/acme?task=gates&limit=1')
    expect(row).toEqual(body.runs[0])
    expect(row).toMatchObject({ trajectory_id: gates, status: 'completed', steps: { done: 3, total: 3 } })
    const waited = told.find(({ data }) => data.waiting_for === 'approval')
    expect(waited?.data).toMatchObject({ status: 'running', waiting: [{ step: 'one' }] })
    const ids = told.map(({ id }) => id as number)
    expect(ids).toEqual([...new Set(ids)].sort((left, right) => left - right))
  })

  test('after an id that was never given out begin anew, and tell what happens from there on', async () => {
    const { events } = await read(1, {
      lastEventId: 999_999_999_999,
      enough: (seen) => {
        if (seen.length === 1) void start(0, 'quick')
        return seen.some(({ data }) => data.status === 'completed')
      },
    })
    expect(events[0]).toEqual({ id: expect.any(Number), event: 'open', data: {} })
    expect(events[0]?.id).toBeLessThan(999_999_999)
  })

  test('a change that was numbered early and committed late is waited for, and not passed over', async () => {
    const slow = await start(0, 'quick')
    await until(async () => (await statusOf(slow)) === 'completed')
    const from = await newest()
    let other = ''
    const late = database.transaction(async (queries) => {
      await queries.query('set local idle_in_transaction_session_timeout = 0')
      await queries.query(`select from runs where trajectory_id = $1 for update`, [slow])
      await queries.query(`update runs set changed = nextval('changes') where trajectory_id = $1`, [slow])
      other = await start(1, 'quick')
      await until(async () => (await statusOf(other)) === 'completed')
      await pause(700) // longer than any look
    })
    const reading = read(0, { lastEventId: from, enough: (seen) => seen.some((event) => isEnd(other)(event)) })
    await late
    const { events } = await reading
    const order = events.map(({ data }) => data.trajectory_id)
    expect(order[0]).toBe(slow)
    expect(order.slice(1).every((id) => id === other)).toBe(true)
  })

  test('what was missed comes page by page, each run once', { timeout: 180_000 }, async () => {
    const from = await newest()
    const ids: string[] = []
    const some = () => Promise.all(Array.from({ length: 100 }, (_, at) => start(at, 'quick')))
    while (ids.length < 1200) ids.push(...(await some()))
    await until(async () => (await open()) === 0)
    const to = await newest()
    const { events } = await read(1, { lastEventId: from, enough: (seen) => seen.length >= ids.length })
    expect(new Set(events.map(({ data }) => data.trajectory_id))).toEqual(new Set(ids))
    expect(events.every(({ data }) => data.status === 'completed' && data.step === 'a')).toBe(true)
    const seen = events.map(({ id }) => id as number)
    expect(seen).toEqual([...new Set(seen)].sort((left, right) => left - right))
    const last = seen.at(-1) as number
    expect(last).toBeLessThanOrEqual(to)
  })

  test('two servers, clients that come back to either at any point: every change once, in order', {
    timeout: 180_000,
  }, async () => {
    const from = await newest()
    const client = async (number: number): Promise<SeenEvent[]> => {
      const events: SeenEvent[] = []
      for (let at = from, round = number; ; round++) {
        const stopAfter = 1 + ((round * 7) % 13)
        const { events: more } = await read(round, {
          lastEventId: at,
          enough: (seen) => seen.length >= stopAfter || seen.some(isLast),
        })
        events.push(...more)
        at = (events.at(-1)?.id as number) ?? at
        if (more.some(isLast)) return events
      }
    }
    const clients = [0, 1, 2, 3].map(client)
    await Promise.all(
      Array.from({ length: 120 }, async (_, at) => {
        await pause((at * 13) % 900)
        const task = at % 4 === 0 ? 'naps' : 'quick'
        const id = await start(at, task)
        if (at % 3 !== 0) return
        await until(async () => (await statusOf(id)) === 'completed')
        await call(at + 1, 'POST', `/trajectory/acme/${task}/statuses`, { [id]: 'archived' })
      }),
    )
    await until(async () => (await open()) === 0)
    await start(0, 'last')
    const all = await Promise.all(clients)
    const rows = await database.query<{ trajectory_id: string; status: string; changed: number }>(
      `select trajectory_id, status, changed from runs where changed > $1 order by changed`,
      [from],
    )
    const union = new Map<number, Body>()
    for (const events of all) {
      const ids = events.map(({ id }) => id as number)
      expect(ids).toEqual([...new Set(ids)].sort((left, right) => left - right))
      const last = new Map(events.map(({ id, data }) => [data.trajectory_id, { id, data }]))
      for (const row of rows) {
        const seen = last.get(row.trajectory_id)
        expect([row.trajectory_id, seen?.id, seen?.data.status]).toEqual([row.trajectory_id, row.changed, row.status])
      }
      for (const { id, data } of events) {
        expect(union.get(id as number)?.trajectory_id ?? data.trajectory_id).toBe(data.trajectory_id)
        union.set(id as number, data)
      }
    }
    expect(rows.length).toBe(121)
    const numbers = await database.query<{ changed: number }>(
      `select changed from runs where changed > $1 union select changed from steps where changed > $1`,
      [from],
    )
    const stored = new Set(numbers.map((row) => row.changed))
    expect(rows.every((row) => union.has(row.changed) && stored.has(row.changed))).toBe(true)
  })

  test('end when the collection is deleted, wherever they are read', async () => {
    await call(0, 'POST', '/collections', { name: 'doomed' })
    const begun = new Set<string>()
    const streams = urls.map((url) => {
      const enough = (seen: SeenEvent[]) => {
        if (seen.length > 0) begun.add(url)
        return false
      }
      return readEvents(`${url}/api/v1/collections/doomed/events`, token, { enough })
    })
    await until(async () => begun.size === urls.length)
    await call(0, 'DELETE', '/collections/doomed')
    for (const { events, ended } of await Promise.all(streams)) {
      expect([ended, events.map(({ event }) => event)]).toEqual([true, ['open', 'end']])
    }
  })

  test('tell which runs retention removed', async () => {
    const old = await start(0, 'quick')
    await until(async () => (await statusOf(old)) === 'completed')
    await database.query(
      `update runs set created_at = created_at - interval '9 days', ended_at = ended_at - interval '9 days'
       where trajectory_id = $1`,
      [old],
    )
    const from = await newest()
    await database.query(`update collections set settings = '{"retention_days":5}' where name = 'acme'`)
    await removeOldRuns(database, { objects: { remove: async () => {} } })
    const { events } = await read(0, { lastEventId: from, enough: (seen) => seen.length > 0 })
    expect(events).toMatchObject([{ event: 'removed', data: { runs: [{ trajectory_id: old, task: 'quick' }] } }])
  })

  test('a key reads the events of its own collection alone', async () => {
    const made = await call(0, 'POST', '/api-keys', { name: 'reader', collection_name: 'other' })
    const { status, body } = await callJetty(
      urls[0] as string,
      made.body.api_key,
      'GET',
      '/collections/acme/events',
    ).catch(() => ({ status: 0, body: {} }))
    expect([status, body.detail]).toEqual([404, 'Collection not found'])
    expect((await call(0, 'GET', '/collections/nowhere/events')).status).toBe(404)
  })
})
