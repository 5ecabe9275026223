/** A run that one process accepts and another executes: from the request's arrival to the start of the first step. */
import { randomBytes } from 'node:crypto'
import { pause } from '../src/lib/time.ts'
import { openDatabase } from '../src/store/database/database.ts'
import { parts, percentile } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const singles = isQuick ? 100 : 300
const rounds = 4
const peerSingles = 12
const limitMs = 15

await stage('handover', async ({ report, jetty, child, createDatabase }) => {
  const url = await createDatabase('ours')
  const shared = { DATABASE_URL: url, JETTY_SECRET_KEY: randomBytes(32).toString('base64') }
  const api = await jetty({ environment: { ...shared, JETTY_ROLE: 'api' } })
  await jetty({ dataDir: api.dataDir, environment: { ...shared, JETTY_ROLE: 'worker' } })
  const dbos = await child('dbos-process.ts', { BENCH_DATABASE_URL: await createDatabase('dbos'), BENCH_QUEUE: 'yes' })
  await api.call('POST', '/api/v1/tasks/demo', { name: 'echo', workflow: echoWorkflow(1) })
  const client = await child('http-process.ts', { BENCH_URL: api.url, BENCH_TOKEN: await api.key('demo') })
  const request = { method: 'POST', path: '/api/v1/run/demo/echo', body: '{}' } as const

  const answers: number[] = []
  for (let at = 0; at < singles; at++) {
    answers.push(...(await client.ask<number[]>('latency', { requests: [request] })))
    await pause(10 + (at % 7))
  }
  await pause(500)
  const database = openDatabase(url, { connections: 1 })
  const rows = await database.query<{ ms: number }>(
    `select extract(epoch from s.started_at - r.created_at)::float8 * 1000 as ms
     from runs r join tasks t on t.id = r.task_id join steps s on s.run_id = r.id and s.seq = 0
     where t.name = 'echo' order by r.number offset 20`,
  )
  await client.ask('burst', { count: 5_000, clients: 64, requests: [request] })
  await pause(3_000)
  const crowd = await database.query<{ ms: number }>(
    `select extract(epoch from s.started_at - r.created_at)::float8 * 1000 as ms
     from runs r join tasks t on t.id = r.task_id join steps s on s.run_id = r.id and s.seq = 0
     where t.name = 'echo' order by r.number offset $1`,
    [singles],
  )
  await database.close()
  const peer = await dbos.ask<number[]>('queued', { count: peerSingles })

  const ours = rows.map((row) => row.ms)
  const line = (name: string, samples: number[]) => [
    name,
    String(samples.length),
    percentile(samples, 0.5),
    percentile(samples, 0.99),
  ]
  report.table('from acceptance to the start of the first step, ms', [
    ['', 'runs', 'p50', 'p99'],
    line('jetty, api process to worker process', ours),
    line('DBOS, through a queue', peer),
    line('answer to the client', answers),
    line(
      'jetty, 64 clients at once',
      crowd.map((row) => row.ms),
    ),
  ])
  const p50s = parts(ours, rounds).map((part) => percentile(part, 0.5))
  report.aim('hand-over, p50', p50s, 'at most', limitMs, ' ms')
  report.figure(
    'hand-over, p50 to DBOS through a queue',
    p50s.map((ms) => ms / percentile(peer, 0.5)),
    ' ×',
  )
})
