import { afterAll, beforeAll, expect, test } from 'vitest'
import { findValue, listValues, sessionsOfUser, turnsOf } from '../../../src/store/runs/conversations.ts'
import { labelledUsageBy } from '../../../src/store/runs/stats.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
const query = (text: string, values?: unknown[]) => jetty.server.database.query<Record<string, unknown>>(text, values)

beforeAll(async () => {
  jetty = await startTestServer()
  await query(`insert into label_values (collection_id, key, value, runs, first_at, seen_at)
    select -c, key, 'v' || n, 1, now(), now() - n * interval '1 minute'
    from generate_series(1, 5) c, unnest(array['user', 'session']) key, generate_series(1, 3000) n`)
  await query(`insert into label_days (collection_id, key, day, value, usd, tokens, calls)
    select -c, key, '2026-01-01'::date + n % 300, 'v' || n, 1, 1, 1
    from generate_series(1, 5) c, unnest(array['user', 'session']) key, generate_series(1, 3000) n`)
  await query(`insert into labels (run_id, task_id, collection_id, key, author, recorded_by, value, run_created_at, run_number)
    select 'r' || n, 1, -1 - n % 5, key, 'a', 'a', 'v' || n / 10, now() - n * interval '1 minute', n
    from unnest(array['user', 'session']) key, generate_series(1, 15000) n`)
  await query('analyze label_values, label_days, labels')
})
afterAll(async () => {
  // Made up above: the totals have no runs.
  for (const table of ['labels', 'label_values', 'label_days'])
    await query(`delete from ${table} where collection_id < 0`)
  await jetty?.close()
})

/** The plans of what a call asks. */
const plansOf = async (ask: (queries: Pick<TestServer['server']['database'], 'rows'>) => Promise<unknown>) => {
  const plans: string[] = []
  await ask({
    async rows<Row>(name: string, text: string, values: unknown[] = []) {
      plans.push(JSON.stringify(await query(`explain ${text}`, values)))
      return jetty.server.database.rows<Row>(name, text, values)
    },
  })
  expect(plans.length).toBe(1)
  return plans.join()
}

test('lists of users and sessions, their totals and their turns are ranges of an index', async () => {
  const page = { collectionId: -1, key: 'user' as const, after: { place: Date.now() * 1000, value: 'v5' }, limit: 50 }
  expect(await plansOf((queries) => listValues(queries, page))).toContain('label_values_seen')
  for (const ask of [
    plansOf((queries) => listValues(queries, { ...page, after: undefined })),
    plansOf((queries) => findValue(queries, -1, 'session', 'v7')),
    plansOf((queries) => sessionsOfUser(queries, -1, 'v7', 50)),
    plansOf((queries) => turnsOf(queries, -1, 'v7', { after: undefined, limit: 50 })),
  ]) {
    expect(await ask).not.toMatch(/Seq Scan on (labels|label_values|label_days)/)
  }
  const window = { collectionId: -1, taskIds: undefined, from: '2026-02-01', to: '2026-02-20' }
  for (const value of ['v7', undefined]) {
    const stats = { ...jetty.server.database }
    const plan = await plansOf((queries) =>
      labelledUsageBy({ ...stats, ...queries }, 'day', window, { key: 'user', value }),
    )
    expect(plan).not.toContain('Seq Scan')
  }
})
