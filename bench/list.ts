/** The list of runs over HTTP: a task with 100,000 runs against one with 1,000, in turns, on one server. */
import { type Database, openDatabase, type Queries } from '../src/database/database.ts'
import { listRuns } from '../src/store/runs.ts'
import { definitionHash } from '../src/store/tasks.ts'
import type { HttpRequest } from './lib/http-process.ts'
import { percentile } from './lib/numbers.ts'
import { stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const sizes = { small: 1_000, large: 100_000 }
const stepsOfRun = 3
const rounds = 10
const requestsARound = 40
const limit = 20

type Size = keyof typeof sizes

/** Ended runs of a task with their steps, a second apart, as the engine would have left them. */
const fill = async (database: Database, task: string, runs: number, definition: string): Promise<number> => {
  const [row] = await database.query<{ id: number; collection_id: number }>(
    'select id, collection_id from tasks where name = $1',
    [task],
  )
  if (!row) throw new Error(`There is no task ${task}`)
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, created_at, started_at, ended_at)
     select $1 || n, $1 || lpad(to_hex(n), 7, '0'), $1 || n, $2, $3, 'demo/' || $4, $5, '{"text":"hello"}', 'bench',
       'completed', now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second'
     from generate_series(1, $6::int) n`,
    [task[0], row.collection_id, row.id, task, definition, runs],
  )
  await database.query(
    `insert into steps (run_id, seq, name, status, attempt, inputs, outputs, epoch, started_at, ended_at)
     select r.id, s, 'echo_' || s, 'completed', 1, '{"text":"hello"}', '{"text":"hello"}', 1, r.started_at, r.ended_at
     from runs r, generate_series(0, $2::int) s where r.task_id = $1`,
    [row.id, stepsOfRun - 1],
  )
  await database.query('insert into run_counts (task_id, shard, total) values ($1, 0, $2)', [row.id, runs])
  return row.id
}

/** The plans of the queries that the list makes. */
const plans = async (database: Database, taskId: number): Promise<string[]> => {
  const lines: string[] = []
  const explaining: Queries = {
    query: (text, values) => database.query(text, values),
    async rows<Row>(name: string, text: string, values?: unknown[]): Promise<Row[]> {
      const plan = await database.query<{ 'QUERY PLAN': string }>(`explain (analyze, timing off) ${text}`, values)
      lines.push(`${name}:`, ...plan.map((line) => `  ${line['QUERY PLAN']}`))
      return []
    },
  }
  const middle = { createdMicros: String((Date.now() - 50_000_000) * 1000), number: 50_000 }
  await listRuns(explaining, taskId, { limit, offset: 0, after: undefined })
  await listRuns(explaining, taskId, { limit: limit + 1, offset: 0, after: middle })
  return lines
}

await stage('list', async ({ report, jetty, child, createDatabase }) => {
  const url = await createDatabase('list')
  const server = await jetty({ environment: { DATABASE_URL: url } })
  const workflow = echoWorkflow(stepsOfRun)
  const database = openDatabase(url)
  const ids = {} as Record<Size, number>
  for (const size of Object.keys(sizes) as Size[]) {
    await server.call('POST', '/api/v1/tasks/demo', { name: size, workflow })
    ids[size] = await fill(database, size, sizes[size], definitionHash(JSON.stringify(workflow)))
  }
  await database.query('analyze')
  report.note(['plans at 100,000 runs', ...(await plans(database, ids.large))].join('\n'))
  await database.close()

  const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: await server.key('demo') })
  const pathOf = (size: Size) => `/api/v1/db/trajectories/demo/${size}?limit=${limit}`
  const get = (path: string): HttpRequest => ({ method: 'GET', path })
  /** Requests for the pages that follow one another, from the page in the middle on. */
  const walk = async (size: Size): Promise<HttpRequest[]> => {
    const requests: HttpRequest[] = []
    let path = `${pathOf(size)}&page=${Math.floor(sizes[size] / limit / 4)}`
    while (requests.length < requestsARound / 2) {
      const page = JSON.parse(await client.ask<string>('send', get(path))) as { next_cursor: string; total: number }
      if (page.total !== sizes[size]) throw new Error(`total is ${page.total}`)
      path = `${pathOf(size)}&cursor=${page.next_cursor}`
      requests.push(get(path))
    }
    return [...requests, ...requests]
  }
  const walks = { small: await walk('small'), large: await walk('large') }
  const times = {
    page: { small: [] as number[], large: [] as number[] },
    cursor: { small: [] as number[], large: [] as number[] },
  }
  for (let round = -1; round < rounds; round++) {
    for (const size of round % 2 === 0 ? (['small', 'large'] as const) : (['large', 'small'] as const)) {
      const pages = await client.ask<number[]>('latency', { requests: Array(requestsARound).fill(get(pathOf(size))) })
      const cursors = await client.ask<number[]>('latency', { requests: walks[size] })
      if (round < 0) continue // warming up
      times.page[size].push(...pages)
      times.cursor[size].push(...cursors)
    }
  }
  for (const [kind, title] of [
    ['page', 'page 1'],
    ['cursor', 'by cursor'],
  ] as const) {
    const { small, large } = times[kind]
    const row = (name: string, at: number) => {
      const [few, many] = [percentile(small, at), percentile(large, at)]
      return [name, few, many, many / few]
    }
    report.table(`${title}, limit ${limit}`, [
      ['', 'ms at 1,000 runs', 'ms at 100,000', 'ratio'],
      row('p50', 0.5),
      row('p95', 0.95),
      row('p99', 0.99),
    ])
    report.aim(`p95 of the list, ${title}`, percentile(large, 0.95) / percentile(small, 0.95), 'at most', 1.5, '×')
  }
})
