/**
 * kill -9 of the real server with runs in flight, and how long after the next start of the process the first of them
 * has done a step. A step's end is stamped by the process that executes it, on the clock of this machine.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pause } from '../src/lib/time.ts'
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { postgresPassword, postgresUrl } from '../src/store/database/postgres-folder.ts'
import { findPostgres } from '../src/store/database/postgres-process.ts'
import { root } from './lib/built.ts'
import { median, ratios } from './lib/numbers.ts'
import { peakResidentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import type { JettyServer } from './lib/server.ts'
import { type Stage, stage } from './lib/stage.ts'
import { sleepWorkflow } from './lib/workflows.ts'

const trials = [
  { runs: 300, sleepSeconds: 0.15, kills: isQuick ? 3 : 5, limitMs: 400 },
  { runs: 10_000, sleepSeconds: 10, kills: isQuick ? 2 : 3, limitMs: 1_500 },
]
const memoryLimitMb = 350
const stepsOfRun = 400
const longestMs = 10_000

interface Recovery {
  readyMs: number
  firstStepMs: number
  floorMs: number
  peakMb: number
}

/** The Postgres of a data folder, which lives on while the server is dead. */
const databaseOf = (dataDir: string): Database => {
  const postgres = findPostgres(dataDir)
  if (!postgres) throw new Error('Postgres is not running')
  return openDatabase(postgresUrl(postgres.port, postgresPassword(dataDir)), { connections: 2 })
}

/** The least there is to do: Node starts, connects and reads what is open. */
const floor = async (database: Database): Promise<number> => {
  const begun = performance.now()
  const program = `import pg from 'pg'
    const client = new pg.Client(process.env.URL)
    await client.connect()
    await client.query('select id, lease, definition, init_params from runs where ended_at is null')
    process.exit()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    env: { URL: database.url },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`The floor ended with ${code}`)
  return performance.now() - begun
}

const begin = async ({ child }: Stage, server: JettyServer, runs: number, sleepSeconds: number) => {
  await server.call('POST', '/api/v1/tasks/demo', { name: 'nap', workflow: sleepWorkflow(stepsOfRun) })
  const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: await server.key('demo') })
  // Of different lengths: waits in step would all fall due at once, or none for a while.
  const requests = Array.from({ length: 101 }, (_, at) => ({
    method: 'POST',
    path: '/api/v1/run/demo/nap',
    body: JSON.stringify({ init_params: { seconds: sleepSeconds * (0.5 + at / 100) } }),
  }))
  await client.ask('burst', { count: runs, clients: 64, requests })
  await client.end()
}

const open = async (database: Database): Promise<number> => {
  const [row] = await database.query<{ open: number }>('select count(*)::int as open from runs where ended_at is null')
  return row?.open ?? 0
}

/** Starts the server anew and finds the first end of a step after that. */
const recover = async ({ jetty }: Stage, dataDir: string, database: Database) => {
  const floorMs = await floor(database)
  const server = await jetty({ dataDir })
  const giveUpAt = Date.now() + longestMs
  let first: Date | null | undefined
  do {
    await pause(1_000) // rarely: the question costs something itself
    const rows = await database.query<{ first: Date | null }>(
      'select min(ended_at) as first from steps where ended_at > $1',
      [new Date(server.startedMs)],
    )
    first = rows[0]?.first
  } while (!first && Date.now() < giveUpAt)
  const firstStepMs = first ? first.getTime() - server.startedMs : Number.POSITIVE_INFINITY
  return { server, readyMs: server.readyAfterMs, firstStepMs, floorMs, peakMb: peakResidentMb(server.pid) }
}

const trial = async (given: Stage, { runs, sleepSeconds, kills, limitMs }: (typeof trials)[number]) => {
  const { report } = given
  let server = await given.jetty()
  const { dataDir } = server
  const database = databaseOf(dataDir)
  await begin(given, server, runs, sleepSeconds)
  await pause(1_000)
  const recoveries: Recovery[] = []
  for (let kill = 0; kill < kills; kill++) {
    await server.kill()
    const { server: next, ...recovery } = await recover(given, dataDir, database)
    recoveries.push(recovery)
    server = next
  }
  const left = await open(database)
  await database.close()
  await server.stop()
  const roundsOf = (pick: (recovery: Recovery) => number) => recoveries.map(pick)
  const of = (pick: (recovery: Recovery) => number) => [median(roundsOf(pick)), Math.max(...roundsOf(pick))]
  const firsts = roundsOf((recovery) => recovery.firstStepMs)
  const first = of((recovery) => recovery.firstStepMs)
  const peak = of((recovery) => recovery.peakMb)
  const least = of((recovery) => recovery.floorMs)
  report.table(`${runs} runs in flight, killed ${kills} times; ${left} open at the end`, [
    ['', 'median', 'worst'],
    ['first step ended after process start, ms', ...first],
    ['server ready after process start, ms', ...of((recovery) => recovery.readyMs)],
    ['floor: Node starts and reads the open runs, ms', ...least],
    ['first step to the floor', (first[0] ?? 0) / (least[0] ?? 1), ''],
    ['peak resident memory, MB', ...peak],
  ])
  report.aim(`first resumed step, ${runs} runs in flight`, firsts, 'at most', limitMs, ' ms')
  const floors = roundsOf((recovery) => recovery.floorMs)
  report.figure(`first resumed step, ${runs} runs in flight, to the floor`, ratios(firsts, floors), ' ×')
  report.figure(
    `server ready, ${runs} runs in flight`,
    roundsOf((recovery) => recovery.readyMs),
    ' ms',
  )
  if (runs >= 10_000) report.aim(`peak memory, ${runs} runs`, peak[1] ?? Number.NaN, 'at most', memoryLimitMb, ' MB')
  report.aim(`runs lost of ${runs}`, runs - left, 'at most', 0)
}

await stage('recovery', async (given) => {
  for (const one of trials) await trial(given, one)
})
