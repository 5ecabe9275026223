// Everything that locks several rows, against each other: Postgres never has to end a deadlock.
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { requestEnd } from '../../src/engine/leases/end-requests.ts'
import { dropEndedLeases } from '../../src/engine/leases/lease-queue.ts'
import { wakeAllDue } from '../../src/engine/leases/leases.ts'
import { removeOldRuns } from '../../src/store/collections/retention.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { sweepEvents } from '../../src/store/events/events.ts'
import { makeLabelChanges } from '../../src/store/runs/labels.ts'
import { act, does } from '../integration/runs/acting.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const stormMs = 8_000
/** On a busy machine, where not everything has had work by then. */
const longestStormMs = 120_000

let api: TestServer
let worker: TestServer
let database: Database
beforeAll(async () => {
  api = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'api' } })
  worker = await startTestServer({ activities: [act], beside: api })
  database = openDatabase(api.database.url, { connections: 8 })
})
afterAll(async () => {
  await database?.close()
  await worker?.close()
  await api?.close()
})

const picked = <T>(items: T[]): T | undefined => items[Math.floor(Math.random() * items.length)]
const shuffled = <T>(items: T[]): T[] =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)

it('fan-outs, approvals, events, labels, cancels, retention and a change of the key run in no circle', {
  timeout: 180_000,
}, async () => {
  const gated = await api.task({
    init_params: { item: 0, seconds: 60 },
    step_configs: {
      work: does({ milliseconds: 3 }),
      check: {
        activity: 'conditional_branch',
        condition_path: 'init_params.item',
        operator: '>',
        value: 4,
        true_step: 'gate',
      },
      gate: { activity: 'wait_for_approval', message: 'May it?', expires_in_sec: 2, default_decision: 'approve' },
    },
    steps: ['work', 'check'],
  })
  const fan = await api.task({
    init_params: { items: [] },
    step_configs: {
      fan: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: gated,
        max_concurrency: 8,
        continue_on_error: true,
        labels: { one: 'a', two: 'b' },
      },
    },
    steps: ['fan'],
  })
  const waiter = await api.task({
    init_params: { item: 0 },
    step_configs: {
      wait: {
        activity: 'wait_for_event',
        event: 'go',
        key_path: 'init_params.item',
        expires_in_sec: 2,
        on_timeout: 'continue',
      },
    },
    steps: ['wait'],
  })
  await api.call('PATCH', '/api/v1/collections/acme/settings', { retention_days: 1 })
  const begun = Date.now()
  let isOver = false
  const failures: unknown[] = []
  const keep = async (work: () => Promise<unknown>, pauseMs: number): Promise<void> => {
    while (!isOver) {
      await work().catch((error) => failures.push(error))
      await delay(pauseMs)
    }
  }
  const recent = async (where: string): Promise<string[]> => {
    const rows = await database.query<{ id: string }>(
      `select id from (select id, number from runs where ${where} order by number desc limit 200) newest`,
    )
    return shuffled(rows.map(({ id }) => id)).slice(0, 60)
  }
  const labels = makeLabelChanges(database, { most: 50 })
  const items = Array.from({ length: 8 }, (_, index) => index)
  const few = items.slice(0, 4)
  const start = (server: TestServer) =>
    server.start(fan, { init_params: { items }, secret_params: { S: 'sk-lock-order-unmistakable' } })
  /** What has had too little work so far. */
  const idle = async (): Promise<unknown[]> => {
    const [seen] = await database.query<Record<string, number>>(
      `select (select count(*)::int from runs where ended_at is not null) as ended,
         (select count(*)::int from runs where status = 'cancelled') as cancelled,
         (select count(*)::int from approvals where decided_by is not null) as decided,
         (select count(*)::int from events where state = 'delivered') as received,
         (select count(*)::int from labels where key = 'three') as labelled,
         (select max(number) - count(*) from runs)::int as removed`,
    )
    return Object.entries(seen ?? {}).filter(([, total]) => total < 10)
  }
  const watch = async (): Promise<void> => {
    const hasBlown = async () => Date.now() - begun > stormMs && (await idle()).length === 0
    try {
      while (!(await hasBlown()) && Date.now() - begun < longestStormMs) await delay(500)
    } finally {
      isOver = true
    }
  }
  await Promise.all([
    watch(),
    keep(() => Promise.all([start(api), start(worker)]), 100),
    keep(async () => {
      const { body } = await api.call('GET', '/api/v1/approvals/acme?limit=50')
      await Promise.all(
        (body.approvals as Body[]).slice(0, 20).map(({ task, trajectory_id }: Body) =>
          api.call('POST', `/api/v1/trajectory/acme/${task}/${trajectory_id}/steps/gate/approval`, {
            decision: 'approve',
          }),
        ),
      )
    }, 30),
    keep(async () => {
      await Promise.all(few.map((item) => api.start(waiter, { init_params: { item } })))
    }, 500),
    ...[api, worker].map((server) =>
      keep(async () => {
        const body = (item: number) => ({ event: 'go', key: String(item), id: randomUUID() })
        await Promise.all(shuffled(few).map((item) => server.call('POST', '/api/v1/events/acme', body(item))))
      }, 200),
    ),
    keep(() => sweepEvents(database), 200),
    ...[1, 2].map((n) =>
      keep(async () => {
        const ids = await recent('true')
        await Promise.all(
          ids.map((runId) =>
            labels.set({
              runId,
              key: picked(['one', 'two', 'three']) ?? '',
              value: picked(['a', 'b', 'c']) ?? '',
              author: `w${n}`,
              recordedBy: 'admin',
            }),
          ),
        )
        const [runId = ''] = ids
        await labels.remove({ runId, key: 'one', author: undefined })
      }, 10),
    ),
    ...[1, 2].map(() =>
      keep(async () => requestEnd(database, (await recent('ended_at is null')).slice(0, 4), 'cancelled'), 200),
    ),
    keep(() => wakeAllDue(database), 5),
    keep(async () => {
      await database.query(
        `update runs set created_at = now() - interval '3 days', ended_at = now() - interval '2 days'
         where id in (select id from runs where ended_at is not null order by random() limit 20 for update skip locked)`,
      )
      await removeOldRuns(database, { objects: { remove: async () => {} } })
    }, 200),
    keep(() => dropEndedLeases(database, ''), 100),
    keep(() => api.call('POST', '/api/v1/secret-key/rotate'), 2_000),
  ])
  expect(failures).toEqual([])
  expect(await idle()).toEqual([])
  await delay(1_500) // sessions report what they have met a second later
  const [row] = await database.query<{ deadlocks: number }>(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  expect(row?.deadlocks).toBe(0)
})
