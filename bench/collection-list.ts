/**
 * The runs of a whole collection over HTTP, page by page with and without filters, and as an export: a million runs in
 * fifty tasks against a thousand in fifty, in turns, on one server.
 */
import { Agent, request } from 'undici'
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { collectionRunsAfter, noCollectionFilter } from '../src/store/runs/collection-runs.ts'
import { newest } from '../src/store/runs/lists/run-order.ts'
import { fillCollections } from './lib/filled-collection.ts'
import { explaining, walk } from './lib/lists.ts'
import { median, percentile } from './lib/numbers.ts'
import { residentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { type Stage, stage } from './lib/stage.ts'

const sizes = { small: 1_000, large: 1_000_000 }
const rounds = isQuick ? 3 : 5
const requestsARound = 20
const limit = 50
const exported = 100_000

type Size = keyof typeof sizes

const filters = [
  '',
  '&status=failed',
  '&status=failed&status=running',
  '&task=t1&task=t2',
  '&created_before=NOW',
  '&error=needle',
  '&model=scripted/echo',
  '&min_cost_usd=0.5',
  '&sort=cost',
  '&sort=duration&top_level=true',
]

/** The plans of a page in the middle, without a filter and with one that no index decides. */
const plans = async (database: Database, collectionId: number): Promise<string[]> => {
  const lines: string[] = []
  const queries = explaining(database, lines)
  const after = { place: String((Date.now() - 500_000_000) * 1000), number: 500_000 }
  lines.push('no filter:')
  await collectionRunsAfter(queries, collectionId, noCollectionFilter, { limit, after, order: newest })
  lines.push('by error:')
  await collectionRunsAfter(
    queries,
    collectionId,
    { ...noCollectionFilter, error: 'needle' },
    { limit, after, order: newest },
  )
  return lines
}

const measure = async ({ report, jetty, child, createDatabase }: Stage): Promise<void> => {
  const url = await createDatabase('list')
  const server = await jetty({ environment: { DATABASE_URL: url } })
  const { large } = await fillCollections(url, sizes)
  const database = openDatabase(url)
  report.note(['plans at 1,000,000 runs', ...(await plans(database, large))].join('\n'))
  await database.close()

  const token = server.adminToken
  const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: token })
  const rows: (string | number)[][] = [[`p95, limit ${limit}`, 'ms at 1,000 runs', 'ms at 1,000,000', 'ratio']]
  for (const filter of filters) {
    const search = filter.replace('NOW', new Date().toISOString())
    const path = (size: Size) => `/api/v1/runs/${size}?limit=${limit}${search}`
    const requests = {
      small: await walk(client, path('small'), requestsARound),
      large: await walk(client, path('large'), requestsARound),
    }
    const times = { small: [] as number[], large: [] as number[] }
    for (let round = -1; round < rounds; round++) {
      for (const size of round % 2 === 0 ? (['small', 'large'] as const) : (['large', 'small'] as const)) {
        const taken = await client.ask<number[]>('latency', { requests: requests[size] })
        if (round >= 0) times[size].push(percentile(taken, 0.95)) // the first one warms up
      }
    }
    const [few, many] = [median(times.small), median(times.large)]
    rows.push([filter.replaceAll('&', ' ') || 'no filter', few, many, many / few])
    report.aim(`p95 of a page,${filter.replaceAll('&', ' ') || ' no filter'}`, times.large, 'at most', 250, ' ms')
  }
  report.table('runs of a collection', rows)

  const before = residentMb(server.pid)
  const begun = performance.now()
  const dispatcher = new Agent()
  const { body } = await request(`${server.url}/api/v1/runs/large?format=jsonl`, {
    headers: { authorization: `Bearer ${token}` },
    dispatcher,
  })
  let lines = 0
  let most = before
  for await (const piece of body) {
    for (const byte of piece as Buffer) if (byte === 10) lines++
    most = Math.max(most, residentMb(server.pid))
    if (lines >= exported) break // the rest of a million is the same
  }
  const seconds = (performance.now() - begun) / 1000
  await dispatcher.destroy()
  report.table(`export of the first ${exported.toLocaleString('en')} as JSON lines`, [
    ['runs a second', 'MB before', 'MB at most'],
    [lines / seconds, before, most],
  ])
  report.aim('memory that an export takes', most - before, 'at most', 100, ' MB')
}

await stage('collection-list', measure, { longestSeconds: 600 }) // to fill in a million runs takes minutes
