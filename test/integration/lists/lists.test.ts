import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { trajectoryListSchema, trajectorySummarySchema } from '../../../src/model/runs/trajectory.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let runs: Body[]
const task = 'listed'
const minute = (at: number) => new Date(Date.UTC(2026, 0, 1, 0, at)).toISOString()

/** Sent in one after the other; two and two began at the same moment. */
const sent = Array.from({ length: 60 }, (_, at) => ({
  trajectory_id: `run-${String(at).padStart(2, '0')}`,
  status: ['completed', 'failed', 'cancelled', 'archived'][(at * 7) % 4],
  created: minute(Math.floor(at / 2)),
  completed: minute(100),
  input: at % 5 === 0 ? { note: '50%_off "today"' } : { note: `Plain ${at}` },
  labels: {
    ...(at % 3 === 0 ? { quality: at % 2 ? 'high' : 'low' } : {}),
    ...(at % 4 === 0 ? { 'a key': 'x:y' } : {}),
  },
}))

beforeAll(async () => {
  jetty = await startTestServer()
  for (const run of sent) await jetty.call('POST', `/api/v1/trajectories/acme/${task}/ingest`, run)
  const relabel = { key: 'quality', value: 'high', author: 'another' }
  for (const id of ['run-00', 'run-03'])
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/labels`, relabel)
  await query(`update runs set routine_id = 7 where trajectory_id ~ '[1-5]$'`)
  await query(`update runs set error = 'It broke: Überlast' where trajectory_id ~ '9$'`)
  runs = (await list('limit=100')).trajectories
})
afterAll(() => jetty?.close())

const query = (text: string, values?: unknown[]) => jetty.server.database.query(text, values)
const answer = (search: string, of = task) => jetty.call('GET', `/api/v1/db/trajectories/acme/${of}?${search}`)
const list = async (search: string, of = task): Promise<Body> => {
  const { status, body } = await answer(search, of)
  expect([status, body.detail]).toEqual([200, undefined])
  return body
}
const ids = (rows: Body[]): string[] => rows.map((row) => row.trajectory_id)

/** All runs of a filter, page by page. */
const byPage = async (search: string, limit: number): Promise<string[]> => {
  const found: string[] = []
  for (let page = 1; ; page++) {
    const body = await list(`${search}&limit=${limit}&page=${page}`)
    found.push(...ids(body.trajectories))
    expect([body.page, body.limit, body.has_more]).toEqual([page, limit, page * limit < body.total])
    if (!body.has_more) {
      expect(body.total).toBe(found.length)
      return found
    }
  }
}

/** All runs of a filter by cursor, and how many pages that took. */
const byCursor = async (search: string, limit: number, of = task): Promise<{ found: string[]; pages: number }> => {
  const found: string[] = []
  let cursor = ''
  for (let pages = 1; ; pages++) {
    const body = await list(`${search}&limit=${limit}&cursor=${cursor}`, of)
    expect(body).not.toHaveProperty('total')
    expect([body.page, body.limit]).toEqual([1, limit])
    found.push(...ids(body.trajectories))
    if (!body.has_more) {
      expect(body.next_cursor).toBeNull()
      return { found, pages }
    }
    cursor = body.next_cursor
  }
}

const has = (run: Body, key: string, value?: string) =>
  run.labels.some((label: Body) => label.key === key && (value === undefined || label.value === value))

type Fits = (run: Body) => boolean
const filters: [string, Fits][] = [
  ['', () => true],
  ['status=failed', (run) => run.status === 'failed'],
  ['status=failed&status=archived&status=failed', (run) => ['failed', 'archived'].includes(run.status)],
  ['status=running', () => false],
  ['label=quality', (run) => has(run, 'quality')],
  ['label=quality:high', (run) => has(run, 'quality', 'high')],
  ['label=quality&label=a%20key:x:y', (run) => has(run, 'quality') && has(run, 'a key', 'x:y')],
  ['label=quality:low&label=quality:high', (run) => has(run, 'quality', 'low') && has(run, 'quality', 'high')],
  ['label=quality:', () => false],
  ['label=quality&status=completed', (run) => has(run, 'quality') && run.status === 'completed'],
  ['routine_id=7', (run) => run.triggered_by_routine_id === 7],
  ['routine_id=8', () => false],
  [
    'routine_id=7&status=failed&status=completed&label=a%20key',
    (run) => run.triggered_by_routine_id === 7 && ['failed', 'completed'].includes(run.status) && has(run, 'a key'),
  ],
  ['routine_id=7&status=failed', (run) => run.triggered_by_routine_id === 7 && run.status === 'failed'],
  [`created_after=${minute(10)}`, (run) => Date.parse(run.created) > Date.parse(minute(10))],
  [
    `created_after=${minute(3)}&created_before=${minute(20)}&status=completed`,
    (run) =>
      Date.parse(run.created) > Date.parse(minute(3)) &&
      Date.parse(run.created) < Date.parse(minute(20)) &&
      run.status === 'completed',
  ],
  [
    `created_before=${minute(9)}&label=quality`,
    (run) => run.created < minute(9).replace('Z', '000Z') && has(run, 'quality'),
  ],
  ['q=RUN-1', (run) => run.trajectory_id.startsWith('run-1')],
  ['q=it%20broke', (run) => run.error !== null],
  ['q=plain%202&status=failed', (run) => /^Plain 2/.test(run.init_params.input.note) && run.status === 'failed'],
  ['q=50%25_OFF', (run) => run.init_params.input.note.startsWith('50%')],
  ['q=5%25off', () => false],
  ['q=%22today%22', (run) => run.init_params.input.note.startsWith('50%')],
  ['q=', () => true],
]

describe('a filter', () => {
  test.each(filters)('%s finds by page and by cursor what it says, newest first', async (search, fits) => {
    const wanted = ids(runs.filter(fits))
    expect(runs).toHaveLength(60)
    for (const limit of [7, 100]) {
      expect(await byPage(search, limit)).toEqual(wanted)
      expect((await byCursor(search, limit)).found).toEqual(wanted)
    }
  })

  test('that is not possible is refused, by its name', async () => {
    for (const [search, field] of [
      ['status=done', 'status'],
      ['label=', 'label'],
      ['label=:value', 'label'],
      ['routine_id=x', 'routine_id'],
      ['created_after=yesterday', 'created_after'],
      ['created_before=x', 'created_before'],
      ['view=short', 'view'],
      ['cursor=abc', 'cursor'],
      [`q=${'x'.repeat(201)}`, 'q'],
      [`q=%00`, 'q'],
    ] as const) {
      const { status, body } = await answer(search)
      expect([search, status, body.detail[0].loc[1]]).toEqual([search, 422, field])
    }
    const { body } = await answer('status=done')
    for (const status of ['pending', 'running', 'completed', 'failed', 'cancelled', 'archived']) {
      expect(body.detail[0].msg).toContain(status)
    }
  })
})

describe('a cursor', () => {
  test('leads past thousands of runs that do not fit, in bounded pages', async () => {
    const name = await jetty.task({ step_configs: {}, steps: [] })
    await query(
      `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
         status, error, created_at, started_at, ended_at)
       select 'm' || n, 'm' || n, 'm' || n, collection_id, id, 'acme/' || name, definition, '{}', 'test', 'failed',
         case when n in (1, 2200) then 'needle' end, now() + n * interval '1 second', now(), now()
       from tasks, generate_series(1, 3500) n where name = $1`,
      [name],
    )
    for (const search of ['q=needle', 'q=needle&status=failed', 'q=needle&status=failed&status=completed']) {
      const { found, pages } = await byCursor(search, 10, name)
      expect([search, found, pages]).toEqual([search, ['m2200', 'm1'], 4])
    }
    const first = await list('q=needle&cursor=', name)
    expect([first.trajectories, first.has_more]).toEqual([[], true])
  })

  test('of a page goes on where the page ended; runs from before 1970 are passed as well', async () => {
    const name = 'old'
    for (const at of [1, 2, 3]) {
      const created = `1950-01-0${at}T00:00:00Z`
      await jetty.call('POST', `/api/v1/trajectories/acme/${name}/ingest`, { trajectory_id: `old-${at}`, created })
    }
    const page = await list('limit=1', name)
    expect(ids(page.trajectories)).toEqual(['old-3'])
    expect(ids((await list(`limit=5&cursor=${page.next_cursor}`, name)).trajectories)).toEqual(['old-2', 'old-1'])
  })
})

describe('the summary', () => {
  test('has all but inputs, outputs, init_params and configs, of ended and of running runs', async () => {
    const name = await jetty.task({
      init_params: { text: 'INPUT' },
      step_configs: {
        echo: { activity: 'text_echo', text_path: 'init_params.text' },
        bad: { activity: 'read_text_file', path: 'CONFIG' },
      },
      steps: ['echo', 'bad'],
    })
    const { trajectory_id: id } = await jetty.start(name)
    const whole = await jetty.until(name, id, (run) => run.ended !== null)
    await jetty.call('POST', `/api/v1/trajectory/acme/${name}/${id}/labels`, { key: 'k', value: 'v', author: 'a' })
    const body = await list('view=summary', name)
    trajectoryListSchema.parse(body)
    const [shown] = body.trajectories
    trajectorySummarySchema.parse(shown)
    const { init_params: _, step_configs: __, ...rest } = whole
    const short = ({ inputs, outputs, config, logs, origin, author, recorded_by, ...kept }: Body) => kept
    expect(shown).toEqual({
      ...rest,
      labels: [{ key: 'k', value: 'v', author: 'a', recorded_by: 'admin', created: expect.any(String) }],
      steps: { echo: short(whole.steps.echo), bad: short(whole.steps.bad) },
    })
    expect(shown.steps.bad.error).toEqual(expect.any(String))
    expect(JSON.stringify(shown.steps)).not.toMatch(/INPUT|inputs|outputs|config/)
    expect((await list('view=summary&cursor=', name)).trajectories).toEqual([shown])
    expect((await list('view=full', name)).trajectories[0].init_params).toEqual({ text: 'INPUT' })
  })
})
