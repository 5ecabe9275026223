/**
 * The list of runs over HTTP, without and with filters: a task with 100,000 runs against one with 1,000, in turns, on
 * one server.
 */
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { noFilter, type RunFilter } from '../src/store/runs/lists/run-filter.ts'
import { pageOfRuns, runsAfter } from '../src/store/runs/run-lists.ts'
import { definitionHash } from '../src/store/tasks/tasks.ts'
import { fillTask, stepsOfRun } from './lib/filled-task.ts'
import type { HttpRequest } from './lib/http-process.ts'
import { explaining, walk } from './lib/lists.ts'
import { median, percentile, ratios } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const sizes = { small: 1_000, large: 100_000 }
const rounds = isQuick ? 3 : 8
const requestsARound = 30
const limit = 20

type Size = keyof typeof sizes

const label = (key: string, value: string | undefined) => ({ labels: [{ key, value }] })

/** Each filter as it is asked for, and as the store gets it. All have pages enough in the small task as well. */
const filters: [string, Partial<RunFilter>][] = [
  ['', {}],
  ['&view=summary', {}],
  ['&status=completed', { statuses: ['completed'] }],
  ['&status=completed&status=failed&status=running', { statuses: ['completed', 'failed', 'running'] }],
  ['&label=quality', label('quality', undefined)],
  ['&label=quality:high', label('quality', 'high')],
  ['&label=quality:high&status=completed', { ...label('quality', 'high'), statuses: ['completed'] }],
  [
    '&label=quality:high&label=rare',
    { labels: [...label('rare', undefined).labels, ...label('quality', 'high').labels] },
  ],
  ['&routine_id=7', { routineId: 7 }],
  ['&routine_id=7&status=failed', { routineId: 7, statuses: ['failed'] }],
  ['&q=needle', { text: 'needle' }],
  ['&created_before=NOW', { createdBeforeMs: Date.now() }],
]

/** The plans of the queries that the lists make. */
const plans = async (database: Database, taskId: number): Promise<string[]> => {
  const lines: string[] = []
  const queries = explaining(database, lines)
  const middle = { place: String((Date.now() - 50_000_000) * 1000), number: 50_000 }
  for (const [name, filter] of filters) {
    lines.push(`by cursor, ${name || 'no filter'}:`)
    const view = name === '&view=summary' ? 'summary' : 'full'
    await runsAfter(queries, taskId, { ...noFilter, ...filter }, { limit, after: middle, view })
  }
  lines.push('page 1:')
  await pageOfRuns(queries, taskId, noFilter, { limit, offset: 0, view: 'full' })
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
    ids[size] = await fillTask(database, size, sizes[size], definitionHash(JSON.stringify(workflow)))
  }
  await database.query('vacuum analyze')
  report.note(['plans at 100,000 runs', ...(await plans(database, ids.large))].join('\n'))
  await database.close()

  const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: await server.key('demo') })
  const pathOf = (size: Size) => `/api/v1/db/trajectories/demo/${size}?limit=${limit}`
  const first = { method: 'GET' as const, path: '' }
  const kinds: { title: string; requests: Record<Size, HttpRequest[]> }[] = [
    {
      title: 'page 1',
      requests: {
        small: Array(requestsARound).fill({ ...first, path: pathOf('small') }),
        large: Array(requestsARound).fill({ ...first, path: pathOf('large') }),
      },
    },
  ]
  for (const [name] of filters) {
    const search = name.replace('NOW', new Date().toISOString())
    const [small, large] = [
      await walk(client, pathOf('small') + search, requestsARound),
      await walk(client, pathOf('large') + search, requestsARound),
    ]
    kinds.push({ title: `by cursor${name.replaceAll('&', ' ')}`, requests: { small, large } })
  }
  const rows: (string | number)[][] = [['p95, limit 20', 'ms at 1,000 runs', 'ms at 100,000', 'ratio']]
  for (const { title, requests } of kinds) {
    const times = { small: [] as number[], large: [] as number[] }
    for (let round = -1; round < rounds; round++) {
      for (const size of round % 2 === 0 ? (['small', 'large'] as const) : (['large', 'small'] as const)) {
        const taken = await client.ask<number[]>('latency', { requests: requests[size] })
        if (round >= 0) times[size].push(percentile(taken, 0.95)) // the first one warms up
      }
    }
    const [few, many] = [median(times.small), median(times.large)]
    rows.push([title, few, many, many / few])
    report.aim(
      `p95 of the list, ${title}, 100,000 runs to 1,000`,
      ratios(times.large, times.small),
      'at most',
      1.5,
      ' ×',
    )
  }
  report.table('lists', rows)
})
