/**
 * The same build on several versions of Node, in turns on one PostgreSQL: runs of the engine, calls of the gateway, starts
 * of the command line. Each is compared with the oldest version in the same round.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { plainCall } from './gateway/calls.ts'
import { startGatewayServer } from './gateway/server.ts'
import { wrk } from './gateway/wrk.ts'
import { root } from './lib/built.ts'
import type { LoadResult } from './lib/closed-loop.ts'
import { findNode } from './lib/node-versions.ts'
import { median, ratios } from './lib/numbers.ts'
import { cpuSecondsOf } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { type Stage, stage } from './lib/stage.ts'

const versions = ['20', '22', '24', '26']
const rounds = isQuick ? 3 : 5
const milliseconds = isQuick ? 1_000 : 2_000
const clients = { runs: 64, calls: 16 }
const starts = 3

const kinds = {
  short: { title: 'one-step runs a second', sense: 'at least' },
  long: { title: 'steps a second in runs of five', sense: 'at least' },
  runMicros: { title: "Node's CPU a one-step run", sense: 'at most' },
  callMicros: { title: "Node's CPU a recorded call of the gateway", sense: 'at most' },
  startMs: { title: 'start of a command', sense: 'at most' },
} as const
const kindNames = Object.keys(kinds) as (keyof typeof kinds)[]

type Round = Record<keyof typeof kinds, number>

const startMs = (node: string): number => {
  const begun = performance.now()
  for (let at = 0; at < starts; at++) {
    const { status } = spawnSync(node, [join(root, 'dist/bin.js'), 'runs', '--help'], { stdio: 'ignore' })
    if (status !== 0) throw new Error(`${node} ended with ${status}`)
  }
  return (performance.now() - begun) / starts
}

/** Starts an engine and a gateway on one version of Node, and returns what measures them once. */
const prepare = async (given: Stage, version: string): Promise<() => Promise<Round>> => {
  const node = findNode(version)
  const url = await given.createDatabase(`engine_${version}`)
  const engine = await given.child('engine-process.ts', { BENCH_DATABASE_URL: url }, node)
  const { server, target } = await startGatewayServer(given, { database: `gateway_${version}`, node })
  const folder = given.makeFolder()
  const runs = (steps: number) => engine.ask<LoadResult>('throughput', { steps, clients: clients.runs, milliseconds })
  return async () => {
    const [short, long] = [await runs(1), await runs(5)]
    const before = cpuSecondsOf(server.pid)
    const load = { ...target, body: plainCall, connections: clients.calls, seconds: Math.ceil(milliseconds / 1000) }
    const { requests } = await wrk(folder, load)
    return {
      short: short.done / short.seconds,
      long: (long.done * 5) / long.seconds,
      runMicros: short.cpuMicros / short.done,
      callMicros: ((cpuSecondsOf(server.pid) - before) / requests) * 1e6,
      startMs: startMs(node),
    }
  }
}

await stage(
  'nodes',
  async (given) => {
    const { report } = given
    const measured = new Map<string, Round[]>()
    const measures: [version: string, once: () => Promise<Round>][] = []
    for (const version of versions) measures.push([version, await prepare(given, version)])
    for (let round = -1; round < rounds; round++) {
      for (const [version, once] of round % 2 === 0 ? measures : measures.toReversed()) {
        const found = await once()
        if (round >= 0) measured.set(version, [...(measured.get(version) ?? []), found]) // the first one warms up
      }
    }
    const of = (version: string, kind: keyof Round) => (measured.get(version) ?? []).map((round) => round[kind])
    report.table(`medians of ${rounds} rounds`, [
      ['Node', ...kindNames.map((kind) => kinds[kind].title)],
      ...versions.map((version) => [version, ...kindNames.map((kind) => median(of(version, kind)))]),
    ])
    const [oldest = ''] = versions
    for (const version of versions.slice(1)) {
      for (const kind of kindNames) {
        const { title, sense } = kinds[kind]
        report.figure(
          `${title}, Node ${version} to ${oldest}`,
          ratios(of(version, kind), of(oldest, kind)),
          ' ×',
          sense,
        )
      }
    }
  },
  { longestSeconds: 600, needed: ['wrk'] },
)
