// Filters that no index decides examine a bounded number of runs a page, say how far they looked, and miss none.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noCollectionFilter, searchRuns } from '../../../src/store/runs/collection-runs.ts'
import { newest } from '../../../src/store/runs/lists/run-order.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
const children = 12_000

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_RUN_SEARCH_MS: '0' } })
  for (const at of [1, 2]) {
    await jetty.call('POST', '/api/v1/trajectories/acme/busy/ingest', { trajectory_id: `old-${at}`, output: 'x' })
  }
  await jetty.call('POST', '/api/v1/trajectories/acme/quiet/ingest', { trajectory_id: 'quiet', output: 'x' })
  const query = jetty.server.database.query
  await query(`update runs set created_at = created_at - interval '1 day' where trajectory_id <> 'quiet'`)
  await query(`update runs set created_at = created_at - interval '2 hours' where trajectory_id = 'quiet'`)
  // The newest runs of a task: children, all with a label.
  await query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, started_at, ended_at, ingested, parent_id, parent_seq, child_index)
     select p.id || '/0/' || n, 'child-' || n, 'w' || n, p.collection_id, p.task_id, p.name, p.definition, '{}', 'a',
       'completed', now() - n * interval '1 second', now(), now(), true, p.id, 0, n
     from runs p, generate_series(1, ${children}) n where p.trajectory_id = 'old-1'`,
  )
  await query(
    `insert into labels (run_id, task_id, collection_id, key, author, value, run_created_at, run_number)
     select id, task_id, collection_id, 'seen', 'a', 'yes', created_at, number from runs where parent_id is not null`,
  )
  await query('analyze')
}, 120_000)
afterAll(() => jetty?.close())

const pages = async (search: string): Promise<Body[]> => {
  const seen: Body[] = []
  for (let cursor = ''; ; ) {
    const { status, body } = await jetty.call('GET', `/api/v1/runs/acme?${search}&cursor=${cursor}`)
    expect(status).toBe(200)
    seen.push(body)
    if (!body.has_more) return seen
    expect(body.looked_until).not.toBeNull()
    cursor = body.next_cursor
  }
}
const idsOf = (all: Body[]): string[] => all.flatMap((page) => page.runs.map((run: Body) => run.trajectory_id))

test.each([
  ['top_level=true&status=completed', ['quiet', 'old-2', 'old-1']],
  ['label_not=seen', ['quiet', 'old-2', 'old-1']],
  ['label_not=seen:yes&task=busy', ['old-2', 'old-1']],
  ['trigger=gateway', []],
])('%s looks through all runs in few pages, in order', async (search, ids) => {
  const all = await pages(search)
  expect(idsOf(all)).toEqual(ids)
  expect(all.length).toBeGreaterThan(1)
  expect(all.length).toBeLessThan(12)
  const looked = all.slice(0, -1).map((page) => page.looked_until)
  expect(looked).toEqual([...looked].sort().reverse())
  expect(all.at(-1)?.looked_until).toBeNull()
})

test.each([
  ['top_level=true', ['quiet', 'old-2', 'old-1']],
  ['top_level=true&q=old', ['old-2', 'old-1']],
  ['top_level=true&trigger=ingest&task=busy', ['old-2', 'old-1']],
  ['top_level=true&label_not=seen&author=nobody', []],
])('%s finds all in one page, whatever lies between', async (search, ids) => {
  const all = await pages(search)
  expect(idsOf(all)).toEqual(ids)
  expect(all).toHaveLength(1)
})

test('a request goes on as long as it may', async () => {
  const [at] = await jetty.server.database.query<{ id: number }>(`select id from collections where name = 'acme'`)
  const filter = { ...noCollectionFilter, text: 'old-1' }
  const page = { limit: 50, after: undefined, order: newest }
  const search = (searchMs: number) => searchRuns(jetty.server.database, Number(at?.id), filter, { ...page, searchMs })
  expect(await search(0)).toMatchObject({ runs: [], next: { number: expect.any(Number) } })
  const found = await search(600_000)
  expect([found.runs.map((run) => run.trajectory_id), found.next]).toEqual([['old-1'], undefined])
})

test('a parent tells its children by status', async () => {
  const { body } = await jetty.call('GET', '/api/v1/runs/acme?q=old-1')
  expect(body.has_more).toBe(true) // the parameters of many runs are read only so far
  const all = await pages('trigger=ingest&task=busy&top_level=true')
  const parent = all.flatMap((page) => page.runs).find((run) => run.trajectory_id === 'old-1')
  expect(parent.children.total).toBe(children + 1)
})
