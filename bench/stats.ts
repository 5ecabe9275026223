/** Statistics and labels of a task with 100,000 runs: against one page of its list, and against a task with 1,000. */
import { openDatabase } from '../src/store/database/database.ts'
import { definitionHash } from '../src/store/tasks/tasks.ts'
import { fillTask, stepsOfRun } from './lib/filled-task.ts'
import type { HttpRequest } from './lib/http-process.ts'
import { parts, percentile, ratios } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const sizes = { small: 1_000, large: 100_000 }
const rounds = isQuick ? 3 : 10
const requestsARound = 40

await stage('stats', async ({ report, jetty, child, createDatabase }) => {
  const url = await createDatabase('stats')
  const server = await jetty({ environment: { DATABASE_URL: url } })
  const workflow = echoWorkflow(stepsOfRun)
  const database = openDatabase(url)
  for (const [size, runs] of Object.entries(sizes)) {
    await server.call('POST', '/api/v1/tasks/demo', { name: size, workflow })
    await fillTask(database, size, runs, definitionHash(JSON.stringify(workflow)))
  }
  await database.query('vacuum analyze')
  await database.close()

  const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: await server.key('demo') })
  const get = (path: string): HttpRequest => ({ method: 'GET', path: `/api/v1/db/${path}` })
  let labelled = 0
  const labels = (size: keyof typeof sizes): HttpRequest[] =>
    Array.from({ length: requestsARound }, () => {
      const id = size[0] + (((labelled++ * 7) % sizes[size]) + 1).toString(16).padStart(7, '0')
      const body = JSON.stringify({ key: 'quality', value: labelled % 2 ? 'high' : 'low', author: 'bench' })
      return { method: 'POST', path: `/api/v1/trajectory/demo/${size}/${id}/labels`, body }
    })
  const same = (request: HttpRequest) => () => Array<HttpRequest>(requestsARound).fill(request)
  const kinds = {
    stats: same(get('stats/demo/large')),
    page: same(get('trajectories/demo/large?limit=20')),
    few: () => labels('small'),
    many: () => labels('large'),
  }
  const times: Record<string, number[]> = {}
  for (let round = -1; round < rounds; round++) {
    for (const [name, requests] of Object.entries(kinds)) {
      const taken = await client.ask<number[]>('latency', { requests: requests() })
      if (round >= 0) times[name] = [...(times[name] ?? []), ...taken] // the first one warms up
    }
  }
  const at = (name: keyof typeof kinds, part: number) => percentile(times[name] ?? [], part)
  const row = (title: string, name: keyof typeof kinds) => [title, at(name, 0.5), at(name, 0.95), at(name, 0.99)]
  report.table('at 100,000 runs', [
    ['', 'p50 ms', 'p95 ms', 'p99 ms'],
    row('statistics', 'stats'),
    row('one page of the list', 'page'),
    row('a label, at 1,000 runs', 'few'),
    row('a label, at 100,000 runs', 'many'),
  ])
  const p95s = (name: keyof typeof kinds) => parts(times[name] ?? [], rounds).map((part) => percentile(part, 0.95))
  report.aim('p95 of statistics to one page of the list', ratios(p95s('stats'), p95s('page')), 'at most', 1.5, ' ×')
  report.aim('p95 of a label, 100,000 runs to 1,000', ratios(p95s('many'), p95s('few')), 'at most', 1.5, ' ×')
})
