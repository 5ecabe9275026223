import { median, percentile, ratios } from '../lib/numbers.ts'
import type { Report } from '../lib/report.ts'
import type { Round } from './measure.ts'

export type Name = 'direct' | 'jetty' | 'unrecorded' | 'portkey'
export type Measured = Record<Name, Round[]>

type Pick = (round: Round) => number

/** Medians over the rounds: of a figure, and of what it has more than the upstream had in the same round. */
const summaryOf = (measured: Measured) => ({
  of: (name: Name, pick: Pick) => median(measured[name].map(pick)),
  added: (name: Name, pick: Pick) =>
    median(measured[name].map((round, at) => pick(round) - pick(measured.direct[at] as Round))),
})

/** Prints what was found and holds it against the aims; `commitMs` is what one row takes onto the disk. */
export const reportOn = (report: Report, names: Record<Name, string>, measured: Measured, commitMs: number): void => {
  const all = Object.keys(measured) as Name[]
  const { of, added } = summaryOf(measured)
  const range = (name: Name, pick: Pick) => {
    const found = measured[name].map(pick)
    return Math.max(...found) / Math.min(...found)
  }
  const rows: [string, Pick, 'added' | 'total'][] = [
    ['added p50, JSON, ms', (one) => one.plainMs, 'added'],
    ['added p50, 20 chunks, ms', (one) => one.burstMs, 'added'],
    ['added p50, prompt of 1 MB, ms', (one) => one.largeMs, 'added'],
    ['added to the first frame, ms', (one) => one.firstFrameMs, 'added'],
    ['requests/s on a core, 16 clients', (one) => one.requestsPerSecond, 'total'],
    ['CPU a call, µs', (one) => one.cpuMicros, 'total'],
    ["PostgreSQL's CPU a call, µs", (one) => one.postgresMicros, 'total'],
    ['200 streams: frames/s', (one) => one.streams.framesPerSecond, 'total'],
    ['200 streams: first frame p50, ms', (one) => median(one.streams.firstFrameMs), 'total'],
    ['200 streams: first frame p99, ms', (one) => percentile(one.streams.firstFrameMs, 0.99), 'total'],
    ['200 streams: frames lost', (one) => one.streams.lost, 'total'],
    ['200 streams: out of order', (one) => one.streams.reordered, 'total'],
    ['200 streams: without an end', (one) => one.streams.unfinished, 'total'],
  ]
  const shownOf = (name: Name, [, pick, kind]: (typeof rows)[number]) =>
    kind === 'added' && name !== 'direct' ? added(name, pick) : of(name, pick)
  report.table(`medians of ${measured.direct.length} rounds; what is added is to the first column`, [
    ['', ...all.map((name) => names[name]), 'jetty / Portkey'],
    ...rows.map((row) => [
      row[0],
      ...all.map((name) => shownOf(name, row)),
      shownOf('jetty', row) / shownOf('portkey', row),
    ]),
  ])
  report.table('the slowest round to the fastest', [
    ['', ...all.map((name) => names[name])],
    ...rows.slice(0, 6).map(([title, pick]) => [title, ...all.map((name) => range(name, pick))]),
  ])
  report.table('the floor of a recorded call: one row, committed by one client', [
    ['', 'ms', 'to what Portkey adds'],
    ['p50', commitMs, commitMs / added('portkey', (one) => one.plainMs)],
  ])
  aimsOf(report, measured)
}

/** Promises and literals with getters cost Node 20 and 22 more. */
const isOfToday = Number.parseInt(process.versions.node, 10) >= 24

const aimsOf = (report: Report, measured: Measured): void => {
  const rounds = (name: Name, pick: Pick) => measured[name].map(pick)
  const toDirect = (name: Name, pick: Pick) =>
    rounds(name, pick).map((one, at) => one - pick(measured.direct[at] as Round))
  const added = (pick: Pick, name: Name = 'jetty') => ratios(toDirect(name, pick), toDirect('portkey', pick))
  const total = (pick: Pick, name: Name = 'jetty') => ratios(rounds(name, pick), rounds('portkey', pick))
  const plain: Pick = (one) => one.plainMs
  const cpu: Pick = (one) => one.cpuMicros
  const rate: Pick = (one) => one.requestsPerSecond
  const frames: Pick = (one) => one.streams.framesPerSecond
  const faults: Pick = ({ streams }) => streams.lost + streams.reordered + streams.unfinished

  report.aim('added p50, JSON, to Portkey', added(plain), 'at most', isOfToday ? 0.25 : 0.35, ' ×')
  report.figure('added p50, JSON, not recorded, to Portkey', added(plain, 'unrecorded'), ' ×')
  report.aim('CPU a call, to Portkey', total(cpu), 'at most', 0.2, ' ×')
  report.figure('CPU a call', rounds('jetty', cpu), ' µs')
  report.aim('CPU a call, not recorded', rounds('unrecorded', cpu), 'at most', isOfToday ? 130 : 180, ' µs')
  report.aim('requests/s on a core, to Portkey', total(rate), 'at least', 9, ' ×')
  report.aim(
    'added to the first frame',
    toDirect('jetty', (one) => one.firstFrameMs),
    'at most',
    0.5,
    ' ms',
  )
  report.figure(
    'added p50, 20 chunks, to Portkey',
    added((one) => one.burstMs),
    ' ×',
  )
  report.aim(
    'added p50, prompt of 1 MB, to Portkey',
    added((one) => one.largeMs),
    'at most',
    0.15,
    ' ×',
  )
  report.aim(
    '200 streams: frames lost, out of order, or without an end',
    Math.max(...rounds('jetty', faults)),
    'at most',
    0,
  )
  const toFloor = ratios(rounds('jetty', frames), rounds('direct', frames))
  report.aim('200 streams: frames/s, to direct', toFloor, 'at least', 0.99, ' ×')
}
