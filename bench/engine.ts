/**
 * The engine against bare DBOS and against single-row inserts, all on one Postgres and in one run; then the same engine
 * over HTTP. Rounds alternate between them, and medians are compared.
 */

import { pause } from '../src/lib/time.ts'
import type { Child } from './lib/children.ts'
import type { LoadResult } from './lib/closed-loop.ts'
import { median, percentile, ratios } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { measureSpeed, measureSteps, medianSpeed, perSecondOf, type Speed } from './lib/speed.ts'
import { type Stage, stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const lengths = isQuick ? [1, 5] : [1, 3, 5, 40]
const clients = 64
const rounds = 3
const oursMs = isQuick ? 1_000 : 2_000
const dbosMs = isQuick ? 1_500 : 3_000
const insertsMs = isQuick ? 1_000 : 2_000
const singles = 50
const turns = isQuick ? 2 : 6
const restMs = 1_000
const httpMs = isQuick ? 2_000 : 4_000
const warmRequests = 5_000

/** A server of its own with a task of one step; and a client that has a key for it. */
const startHttp = async ({ jetty, child, createDatabase }: Stage) => {
  const server = await jetty({ environment: { DATABASE_URL: await createDatabase('http') } })
  await server.call('POST', '/api/v1/tasks/demo', { name: 'echo', workflow: echoWorkflow(1) })
  const token = await server.key('demo')
  const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: token })
  const body = JSON.stringify({ init_params: { text: 'hello' } })
  const run = { method: 'POST', path: '/api/v1/run/demo/echo', body }
  const runSync = { ...run, path: '/api/v1/run-sync/demo/echo' }
  const latency = () => client.ask<number[]>('latency', { requests: Array(singles).fill(runSync) })
  await client.ask('burst', { count: warmRequests, clients, requests: [run, runSync] }) // the engine is warm as well
  return {
    latency,
    accept: () => client.ask<LoadResult>('throughput', { clients, milliseconds: httpMs, request: run }),
  }
}

await stage('engine', async (given) => {
  const { report, child, createDatabase } = given
  const { pid } = await given.postgres()
  const peers = {
    ours: await child('engine-process.ts', { BENCH_DATABASE_URL: await createDatabase('ours') }),
    dbos: await child('dbos-process.ts', { BENCH_DATABASE_URL: await createDatabase('dbos') }),
    inserts: await child('inserts-process.ts', { BENCH_DATABASE_URL: await createDatabase('inserts') }),
  }
  const http = await startHttp(given)
  const runs = (peer: Child, steps: number, milliseconds: number) =>
    measureSteps(pid, peer, { steps, clients, milliseconds })
  const inserts = () => measureSpeed(pid, 1, () => peers.inserts.ask('throughput', { milliseconds: insertsMs }))
  const single = (peer: Child) => peer.ask<number[]>('latency', { steps: 1, count: singles })

  for (const steps of lengths) {
    await runs(peers.ours, steps, 700)
    await runs(peers.dbos, steps, 700)
  }
  await http.latency()

  const speeds = lengths.map((steps) => ({ steps, ours: [] as Speed[], dbos: [] as Speed[] }))
  const rows: Speed[] = []
  const waits = { ours: [] as number[][], dbos: [] as number[][], http: [] as number[][] }
  for (let round = 0; round < rounds; round++) {
    for (const speed of speeds) {
      speed.ours.push(await runs(peers.ours, speed.steps, oursMs))
      speed.dbos.push(await runs(peers.dbos, speed.steps, dbosMs))
    }
    rows.push(await inserts())
    await pause(restMs) // what a load leaves to write is no part of an idle server
    for (let turn = 0; turn < turns; turn++) {
      waits.ours.push(await single(peers.ours))
      waits.dbos.push(await single(peers.dbos))
      waits.http.push(await http.latency())
    }
  }
  const accepted: Speed[] = []
  for (let round = 0; round < rounds; round++) accepted.push(await measureSpeed(pid, 1, http.accept))

  const floor = medianSpeed(rows)
  const table: (string | number)[][] = [
    [
      'steps a run',
      'ours steps/s',
      'DBOS steps/s',
      'ratio',
      'of inserts',
      'Node µs/step',
      'DBOS',
      'Postgres µs/step',
      'DBOS',
    ],
  ]
  for (const { steps, ours, dbos } of speeds) {
    const [own, peer] = [medianSpeed(ours), medianSpeed(dbos)]
    table.push([
      String(steps),
      own.perSecond,
      peer.perSecond,
      own.perSecond / peer.perSecond,
      own.perSecond / floor.perSecond,
      own.nodeMicros,
      peer.nodeMicros,
      own.postgresMicros,
      peer.postgresMicros,
    ])
    const rates = perSecondOf(ours)
    const title = `${steps}-step runs`
    report.aim(`${title}, steps/s to bare DBOS`, ratios(rates, perSecondOf(dbos)), 'at least', 12, ' ×')
    report.figure(`${title}, steps/s to single-row inserts`, ratios(rates, perSecondOf(rows)), ' ×', 'at least')
    report.figure(
      `${title}, Node's CPU a step`,
      ours.map((speed) => speed.nodeMicros),
      ' µs',
    )
    report.figure(
      `${title}, PostgreSQL's CPU a step`,
      ours.map((speed) => speed.postgresMicros),
      ' µs',
    )
  }
  report.table(`echo runs, ${clients} at a time, start to end`, table)
  report.table('single-row inserts over 32 connections', [
    ['', 'rows/s', 'Node µs/row', 'Postgres µs/row'],
    ['pg', floor.perSecond, floor.nodeMicros, floor.postgresMicros],
  ])
  const p50s = (turn: number[][]) => turn.map((samples) => percentile(samples, 0.5))
  const line = (name: string, turn: number[][]) => [
    name,
    median(p50s(turn)),
    percentile(turn.flat(), 0.99),
    median(ratios(p50s(turn), p50s(waits.dbos))),
    median(ratios(p50s(turn), p50s(waits.ours))),
  ]
  report.table('one-step run, one at a time', [
    ['', 'p50 ms', 'p99 ms', 'p50 to DBOS', 'p50 to engine'],
    line('engine', waits.ours),
    line('bare DBOS', waits.dbos),
    line('run-sync over HTTP', waits.http),
  ])
  const accept = medianSpeed(accepted)
  report.table(`runs accepted over HTTP, ${clients} clients`, [
    ['', 'runs/s', 'of inserts', 'Postgres µs/run'],
    ['async run', accept.perSecond, accept.perSecond / floor.perSecond, accept.postgresMicros],
  ])
  const [single50, dbos50, http50] = [p50s(waits.ours), p50s(waits.dbos), p50s(waits.http)]
  report.aim('one-step run, p50 to bare DBOS', ratios(single50, dbos50), 'at most', 0.5, ' ×')
  report.aim("`run-sync` over HTTP, p50 to the engine's own", ratios(http50, single50), 'at most', 3, ' ×')
  report.figure(
    'runs accepted over HTTP, to single-row inserts',
    ratios(perSecondOf(accepted), perSecondOf(rows)),
    ' ×',
    'at least',
  )
})
