import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collectionRunSchema, collectionRunsSchema } from '../../../src/model/runs/collection-run.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let all: Body[]
const minute = (at: number) => new Date(Date.UTC(2026, 0, 1, 0, at)).toISOString()
const tasks = ['first', 'second', 'third', 'gone']

beforeAll(async () => {
  jetty = await startTestServer()
  for (let at = 0; at < 80; at++) {
    await jetty.call('POST', `/api/v1/trajectories/acme/${tasks[(at * 3) % tasks.length]}/ingest`, {
      trajectory_id: `run-${String(at).padStart(2, '0')}`,
      status: ['completed', 'failed', 'cancelled', 'archived'][(at * 7) % 4],
      created: minute(Math.floor(at / 2)),
      completed: minute(100),
      input: { note: at % 5 === 0 ? '=1+1' : `plain ${at}` },
      labels: at % 3 === 0 ? { quality: at % 2 ? 'high' : 'low' } : {},
    })
  }
  await query(`update runs set routine_id = 7 where trajectory_id ~ '[1-5]$'`)
  await query(
    `update runs set error = '=HYPERLINK("http://evil"), "quoted"' || chr(10) || 'Überlast' where trajectory_id ~ '9$'`,
  )
  await query(
    `update runs set parent_id = (select id from runs where trajectory_id = 'run-00'), parent_seq = 0,
       child_index = number::int where trajectory_id ~ '^run-[1-4]'`,
  )
  await query(`insert into run_spending select id, 0.25 * (number % 4 + 1) from runs where trajectory_id ~ '[02468]$'`)
  await query('update runs set cost_usd = usd from run_spending where run_id = id')
  await jetty.call('DELETE', '/api/v1/tasks/acme/gone')
  await jetty.call('POST', '/v1/chat/completions', {
    model: 'scripted/echo',
    jetty: { collection: 'acme', runbook: false },
    messages: [{ role: 'user', content: 'say "model":"other/one" and "cost_usd":99' }],
  })
  // As the record of a model with a price has it.
  await query(`update runs set cost_usd = 1.2e-7 where name = 'acme/_chat'`)
  await jetty.run({
    step_configs: { ask: { activity: 'litellm_chat', model: 'scripted/json', prompt: 'hello' } },
    steps: ['ask'],
  })
  await jetty.call('POST', '/api/v1/collections', { name: 'elsewhere' })
  await jetty.call('POST', '/api/v1/trajectories/elsewhere/first/ingest', { trajectory_id: 'foreign', output: 'x' })
  all = (await list('limit=500')).runs
})
afterAll(() => jetty?.close())

const query = (text: string) => jetty.server.database.query(text)
const ask = (search: string) =>
  fetch(`${jetty.url}/api/v1/runs/acme?${search}`, { headers: { authorization: `Bearer ${jetty.server.adminToken}` } })
const list = async (search: string): Promise<Body> => {
  const { status, body } = await jetty.call('GET', `/api/v1/runs/acme?${search}`)
  expect([status, body.detail]).toEqual([200, undefined])
  return collectionRunsSchema.parse(body)
}
const ids = (runs: Body[]): string[] => runs.map((run) => run.trajectory_id)

/** All pages of a filter. */
const walked = async (search: string, limit: number): Promise<string[]> => {
  const found: string[] = []
  for (let cursor = ''; ; ) {
    const page = await list(`${search}&limit=${limit}&cursor=${cursor}`)
    found.push(...ids(page.runs))
    expect(page.has_more).toBe(page.next_cursor !== null)
    if (page.next_cursor === null) return found
    cursor = page.next_cursor
  }
}

test('has the runs of all tasks, of deleted ones and of the gateway too, newest first, and of no other collection', () => {
  expect(all).toHaveLength(82)
  expect(new Set(all.map((run) => run.task))).toEqual(new Set([...tasks, '_chat', 't1']))
  const created = all.map((run) => run.created)
  expect(created).toEqual([...created].sort().reverse())
  const same = all.filter((run) => run.created === all.at(-1)?.created)
  expect(ids(same)).toEqual(['run-01', 'run-00'])
})

test('says what a run cost and which models were in it, by what its steps recorded', () => {
  const chat = all.find((run) => run.task === '_chat')
  expect([chat.models, chat.cost_usd]).toEqual([['scripted/echo'], 1.2e-7])
  const asked = all.find((run) => run.task === 't1')
  expect(asked.models).toContain('scripted/json')
  const [known] = all.filter((run) => run.trajectory_id === 'run-02')
  expect(known.cost_usd).toBeGreaterThan(0)
  expect(all.find((run) => run.trajectory_id === 'run-03').cost_usd).toBeNull()
})

test('says what started a run, which version it executes, and how far it is', () => {
  const asked = all.find((run) => run.task === 't1')
  expect(asked).toMatchObject({
    trigger: 'api',
    version_number: 0,
    task_version: expect.stringMatching(/^[0-9a-f]{64}$/),
    steps: { done: 1, total: 1 },
    waiting_for: null,
    children: null,
  })
  expect(all.find((run) => run.task === '_chat')).toMatchObject({ trigger: 'gateway', tokens: expect.any(Number) })
  const parent = all.find((run) => run.trajectory_id === 'run-00')
  const children = all.filter((run) => child(run))
  expect(parent).toMatchObject({ trigger: 'ingest', steps: { done: 1, total: 1 } })
  expect(parent.children.by_status.failed).toBe(children.filter((run) => run.status === 'failed').length)
  expect(parent.children.by_status.archived).toBe(children.filter((run) => run.status === 'archived').length)
})

test('a run is found by the version that it executes, by index and by id', async () => {
  const asked = all.find((run) => run.task === 't1')
  expect(ids((await list(`version=${asked.task_version}`)).runs)).toEqual([asked.trajectory_id])
  expect((await list(`version=1&task=t1`)).runs).toEqual([])
  expect((await jetty.call('GET', '/api/v1/runs/acme?version=-latest')).status).toBe(422)
})

test('the runs of a task are filtered in the same way, by cursor', async () => {
  const { body } = await jetty.call(
    'GET',
    '/api/v1/db/trajectories/acme/first?view=summary&limit=500&top_level=true&label_not=quality',
  )
  expect(body.total).toBeUndefined()
  expect(ids(body.trajectories)).toEqual(
    ids(all.filter((run) => run.task === 'first' && !child(run) && !has(run, 'quality'))),
  )
})

test('runs are found by the beginning of their id, in the collections that a key covers', async () => {
  const find = async (search: string, token?: string): Promise<Body> =>
    (await jetty.call('GET', `/api/v1/runs?${search}`, undefined, token)).body
  expect(await find('id=run-7&limit=3')).toMatchObject({ has_more: true })
  expect(ids((await find('id=run-7&limit=10')).runs)).toEqual(
    ids(all.filter((run) => run.trajectory_id.startsWith('run-7'))),
  )
  const made = all.find((run) => run.task === 't1').trajectory_id
  expect((await find(`id=${made.slice(0, 4)}`)).runs).toContainEqual(expect.objectContaining({ trajectory_id: made }))
  expect(ids((await find('id=fore')).runs)).toEqual(['foreign'])
  const { body: key } = await jetty.call('POST', '/api/v1/api-keys', { name: 'one', collection_name: 'acme' })
  expect((await find('id=fore', key.api_key)).runs).toEqual([])
  expect((await jetty.call('GET', '/api/v1/runs?id=ab')).status).toBe(422)
})

test('names a filter that it does not know', async () => {
  const { body } = await jetty.call('GET', '/api/v1/runs/acme?not_status=failed&limit=1')
  expect(body.warnings).toMatchObject([{ field: 'not_status' }])
})

const has = (run: Body, key: string, value?: string) =>
  run.labels.some((label: Body) => label.key === key && (value === undefined || label.value === value))
const child = (run: Body) => /^run-[1-4]/.test(run.trajectory_id)

type Fits = (run: Body) => boolean
const filters: [string, Fits][] = [
  ['', () => true],
  ['task=first', (run) => run.task === 'first'],
  ['task=first&task=gone', (run) => ['first', 'gone'].includes(run.task)],
  ['status=failed', (run) => run.status === 'failed'],
  [
    'status=failed&status=archived&task=second',
    (run) => ['failed', 'archived'].includes(run.status) && run.task === 'second',
  ],
  ['label=quality', (run) => has(run, 'quality')],
  ['label=quality:high&status=failed', (run) => has(run, 'quality', 'high') && run.status === 'failed'],
  ['routine_id=7', (run) => run.triggered_by_routine_id === 7],
  ['routine_id=7&status=cancelled', (run) => run.triggered_by_routine_id === 7 && run.status === 'cancelled'],
  ['parent_id=run-00', child],
  ['parent_id=run-00&label=quality&task=third', (run) => child(run) && has(run, 'quality') && run.task === 'third'],
  ['parent_id=run-99', () => false],
  ['top_level=true', (run) => !child(run)],
  ['top_level=true&status=failed&task=first', (run) => !child(run) && run.status === 'failed' && run.task === 'first'],
  ['top_level=false', () => true],
  ['status_not=completed', (run) => run.status !== 'completed'],
  ['status=failed&status=archived&status_not=failed', (run) => run.status === 'archived'],
  ['status=failed&status_not=failed', () => false],
  ['label_not=quality', (run) => !has(run, 'quality')],
  ['label_not=quality:high&label_not=other', (run) => !has(run, 'quality', 'high')],
  ['label=quality&label_not=quality:low&parent_id=run-00', (run) => child(run) && has(run, 'quality', 'high')],
  ['task_not=first', (run) => run.task !== 'first'],
  ['task=first&task=second&task_not=first', (run) => run.task === 'second'],
  ['task_not=third&parent_id=run-00', (run) => child(run) && run.task !== 'third'],
  ['trigger=ingest', (run) => run.trigger === 'ingest'],
  ['trigger=gateway&trigger=api', (run) => ['_chat', 't1'].includes(run.task)],
  ['trigger=gateway&q=say', (run) => run.task === '_chat'],
  ['author=admin', (run) => run.author === 'admin'],
  ['author=admin&author=nobody&top_level=true', (run) => run.author === 'admin' && !child(run)],
  ['author=nobody', () => false],
  ['version=0&trigger=api', (run) => run.task === 't1'],
  ['min_cost_usd=0.5', (run) => run.cost_usd !== null && run.cost_usd >= 0.5],
  [
    'max_cost_usd=0.5&status=completed',
    (run) => run.cost_usd !== null && run.cost_usd <= 0.5 && run.status === 'completed',
  ],
  ['min_duration_seconds=3600', (run) => run.duration_seconds >= 3600],
  [
    'min_duration_seconds=3600&max_duration_seconds=4200&status=failed',
    (run) => run.duration_seconds >= 3600 && run.duration_seconds <= 4200 && run.status === 'failed',
  ],
  ['max_duration_seconds=60&top_level=true', (run) => run.duration_seconds <= 60 && !child(run)],
  ['waiting_for=approval', () => false],
  ['model=scripted/echo', (run) => run.models.includes('scripted/echo')],
  ['model=other/one', () => false],
  ['error=%C3%9CBERLAST', (run) => run.error?.includes('Überlast') === true],
  ['q=plain%207', (run) => /^run-(7\d|07)$/.test(run.trajectory_id) && !/[05]$/.test(run.trajectory_id)],
  [
    `created_after=${minute(10)}&created_before=${minute(20)}`,
    (run) => run.created.slice(0, 19) > minute(10).slice(0, 19) && run.created.slice(0, 19) < minute(20).slice(0, 19),
  ],
]

const sorts: Record<string, (run: Body) => number | null> = {
  created: (run) => Date.parse(run.created),
  duration: (run) => run.duration_seconds,
  cost: (run) => run.cost_usd,
}

/** The runs with a place in the order, sorted; those in the same place by their number, as `all` is. */
const inOrder = (runs: Body[], sort: string, order: string): Body[] => {
  const place = (run: Body) => sorts[sort]?.(run) ?? 0
  const placed = runs.filter((run) => sort === 'created' || place(run) > 0 || sort === 'duration')
  return order === 'asc'
    ? placed.reverse().sort((one, other) => place(one) - place(other))
    : placed.sort((one, other) => place(other) - place(one))
}

describe.each(Object.keys(sorts).flatMap((sort) => ['desc', 'asc'].map((order) => [sort, order] as const)))(
  'sorted by %s, %s',
  (sort, order) => {
    test.each(filters)('%s', async (search, fits) => {
      const expected = ids(inOrder(all.filter(fits), sort, order))
      expect(await walked(`${search}&sort=${sort}&order=${order}`, 7)).toEqual(expected)
    })
  },
)

test('an export is sorted, too', async () => {
  const { body } = await jetty.call('GET', '/api/v1/runs/acme?format=csv&sort=cost')
  const [head = [], ...rows] = parseCsv(body)
  expect(rows.map((row) => row[head.indexOf('trajectory_id')])).toEqual(ids(inOrder([...all], 'cost', 'desc')))
})

test('a cursor of another order is refused', async () => {
  const { next_cursor } = await list('sort=cost&limit=1')
  const { status, body } = await jetty.call('GET', `/api/v1/runs/acme?sort=duration&cursor=${next_cursor}`)
  expect([status, JSON.stringify(body.detail)]).toEqual([422, expect.stringContaining('cursor')])
})

describe('every filter, page by page and exported', () => {
  test.each(filters)('%s', async (search, fits) => {
    const expected = ids(all.filter(fits))
    for (const limit of [1, 7, 500].slice(expected.length > 40 ? 1 : 0))
      expect(await walked(search, limit)).toEqual(expected)
    const lines = await (await ask(`${search}&format=jsonl&limit=1`)).text()
    const exported = lines
      .split('\n')
      .slice(0, -1)
      .map((line: string) => collectionRunSchema.parse(JSON.parse(line)))
    expect(exported).toEqual(all.filter(fits))
  })
})

/** CSV as RFC 4180 has it, by hand. */
const parseCsv = (text: string): string[][] =>
  [...text.matchAll(/((?:(?:"(?:[^"]|"")*"|[^",\r\n]*)(?:,|(?=\r\n)))+)\r\n/g)].map(([line]) =>
    [...line.slice(0, -2).matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(([, quoted, plain]) =>
      quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
    ),
  )

test('as CSV: a heading, a row a run, quoted, and nothing that a spreadsheet would carry out', async () => {
  const { body, headers } = await jetty.call('GET', '/api/v1/runs/acme?format=csv')
  expect(headers.get('content-type')).toMatch(/^text\/csv/)
  expect(headers.get('content-disposition')).toBe('attachment; filename="acme-runs.csv"')
  const [head = [], ...rows] = parseCsv(body)
  expect(head).toEqual(Object.keys(collectionRunSchema.shape))
  expect(rows.map((row) => row[head.indexOf('trajectory_id')])).toEqual(ids(all))
  const row = rows.find((cells) => cells.includes('run-09')) ?? []
  expect(row[head.indexOf('error')]).toBe('\'=HYPERLINK("http://evil"), "quoted"\nÜberlast')
  expect(JSON.parse(row[head.indexOf('labels')] ?? '')).toMatchObject([{ key: 'quality', value: 'high' }])
})

test('an export that breaks off is seen by the client as broken', async () => {
  const filler = 'x'.repeat(200_000)
  await query(`update runs set error = '${filler}' where trajectory_id ~ '^run-[5-7]'`)
  // A text that cannot be read once the first page was sent: the parameters of the oldest run are no JSON.
  await query(`update runs set params = 'no JSON' where trajectory_id = 'run-00'`)
  const answer = await ask('format=jsonl')
  expect(answer.status).toBe(200)
  await expect(answer.text()).rejects.toThrow()
  await query(`update runs set params = null where trajectory_id = 'run-00'`)
})

test.each([
  'task=nowhere',
  'status=odd',
  'cursor=odd',
  'min_cost_usd=-1',
  'format=xml',
  'limit=0',
  'sort=tokens',
  'order=up',
  'waiting_for=children',
  'min_duration_seconds=-1',
])('refuses %s', async (search) => {
  const { status } = await jetty.call('GET', `/api/v1/runs/acme?${search}`)
  expect(status).toBe(search.startsWith('task') ? 404 : 422)
})
