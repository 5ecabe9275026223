/**
 * The engine against Vercel's Workflow DevKit with its PostgreSQL world: echo runs on the same PostgreSQL, in turns, beside
 * bare DBOS and single-row inserts. The world runs with each of several numbers of workers, and its best result counts.
 */
import type { Child } from './lib/children.ts'
import { devkitName, migrateDevkit, prepareDevkit } from './lib/devkit.ts'
import { median, percentile, ratios } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import type { Report } from './lib/report.ts'
import { measureSpeed, measureSteps, medianSpeed, perSecondOf, type Speed } from './lib/speed.ts'
import { type Stage, stage } from './lib/stage.ts'

const lengths = isQuick ? [1, 5] : [1, 3, 5, 40]
const clients = 64
const rounds = 3
/** The default of its documents, and one for each client. */
const workers = [10, clients]
const loadMs = isQuick ? 1_500 : 3_000
const singles = isQuick ? 20 : 50

interface Peer {
  title: string
  child: Child
  isDevkit: boolean
  /** For each length, one a round. */
  speeds: Speed[][]
  p50s: number[]
}

const peerOf = (title: string, child: Child, isDevkit = false): Peer => ({
  title,
  child,
  isDevkit,
  speeds: lengths.map(() => []),
  p50s: [],
})

/** The world with so many workers, and the pool that its documents advise for them, in a process and database of its own. */
const startDevkit = async ({ child, createDatabase }: Stage, app: string, count: number): Promise<Peer> => {
  const url = await createDatabase(`devkit_${count}`)
  await migrateDevkit(url)
  const environment = {
    BENCH_APP: app,
    NODE_ENV: 'production',
    WORKFLOW_TARGET_WORLD: '@workflow/world-postgres',
    WORKFLOW_POSTGRES_URL: url,
    WORKFLOW_POSTGRES_WORKER_CONCURRENCY: String(count),
    WORKFLOW_POSTGRES_MAX_POOL_SIZE: String(count + 2),
  }
  return peerOf(`${devkitName}, ${count} workers`, await child('devkit-process.ts', environment), true)
}

/** Ours first. */
const startPeers = async (given: Stage): Promise<[Peer, ...Peer[]]> => {
  const { child, createDatabase } = given
  const app = await prepareDevkit()
  const ours = await child('engine-process.ts', { BENCH_DATABASE_URL: await createDatabase('ours') })
  const dbos = await child('dbos-process.ts', { BENCH_DATABASE_URL: await createDatabase('dbos') })
  const worlds: Peer[] = []
  for (const count of workers) worlds.push(await startDevkit(given, app, count))
  return [peerOf('ours', ours), peerOf('bare DBOS', dbos), ...worlds]
}

const measureOnce = async (postgresPid: number, peer: Peer, isWarming: boolean): Promise<void> => {
  for (const [at, steps] of lengths.entries()) {
    const speed = await measureSteps(postgresPid, peer.child, { steps, clients, milliseconds: loadMs })
    if (!isWarming) peer.speeds[at]?.push(speed)
  }
  const samples = await peer.child.ask<number[]>('latency', { steps: 1, count: singles })
  if (!isWarming) peer.p50s.push(percentile(samples, 0.5))
}

/** The peer with the least figure. */
const bestOf = (peers: Peer[], figureOf: (peer: Peer) => number): Peer =>
  peers.reduce((one, other) => (figureOf(one) <= figureOf(other) ? one : other))

const reportOn = (report: Report, [ours, ...others]: [Peer, ...Peer[]], insertsPerSecond: number): void => {
  const peers = [ours, ...others]
  const devkits = others.filter(({ isDevkit }) => isDevkit)
  for (const [at, steps] of lengths.entries()) {
    const ratesOf = (peer: Peer) => perSecondOf(peer.speeds[at] ?? [])
    report.table(`${steps}-step runs, ${clients} at a time, start to end`, [
      ['', 'steps/s', 'ours to it', 'of inserts', 'Node µs/step', 'Postgres µs/step'],
      ...peers.map((peer) => {
        const { perSecond, nodeMicros, postgresMicros } = medianSpeed(peer.speeds[at] ?? [])
        const ratio = median(ratios(ratesOf(ours), ratesOf(peer)))
        return [peer.title, perSecond, ratio, perSecond / insertsPerSecond, nodeMicros, postgresMicros]
      }),
    ])
    const best = bestOf(devkits, (peer) => -median(ratesOf(peer)))
    const toBest = ratios(ratesOf(ours), ratesOf(best))
    report.figure(`${steps}-step runs, steps/s to Workflow DevKit`, toBest, ' ×', 'at least')
  }
  report.table('one-step run, one at a time', [
    ['', 'p50 ms', 'ours to it'],
    ...peers.map((peer) => [peer.title, median(peer.p50s), median(ratios(ours.p50s, peer.p50s))]),
  ])
  const fastest = bestOf(devkits, (peer) => median(peer.p50s))
  report.figure('one-step run, p50 to Workflow DevKit', ratios(ours.p50s, fastest.p50s), ' ×')
}

await stage(
  'devkit',
  async (given) => {
    const { report, child, createDatabase } = given
    const { pid } = await given.postgres()
    const peers = await startPeers(given)
    const inserts = await child('inserts-process.ts', { BENCH_DATABASE_URL: await createDatabase('inserts') })
    const rows: Speed[] = []
    for (let round = -1; round < rounds; round++) {
      for (const peer of peers) await measureOnce(pid, peer, round < 0)
      rows.push(await measureSpeed(pid, 1, () => inserts.ask('throughput', { milliseconds: loadMs })))
    }
    reportOn(report, peers, median(perSecondOf(rows)))
  },
  { longestSeconds: 3_000 }, // of which the runs of 40 steps take most
)
