/**
 * Whether the gateway keeps its size: 200 streams open and renewed for five minutes, then 200,000 plain calls. `--quick`
 * is one minute and 20,000.
 */
import { plainCall } from './gateway/calls.ts'
import { recordsOf, startGatewayServer } from './gateway/server.ts'
import type { StreamsResult } from './gateway/streams-process.ts'
import { wrk } from './gateway/wrk.ts'
import { median } from './lib/numbers.ts'
import { peakResidentMb, residentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const streams = 200
const pace = { chunks: 100, everyMs: 20 }
const streamSeconds = isQuick ? 60 : 300
/** What a process takes at first it keeps: it is not counted as growth. */
const warmUp = { seconds: isQuick ? 20 : 60, calls: 50_000 }
const calls = isQuick ? 20_000 : 200_000
const clients = 16
const longestSeconds = 900

interface Sample {
  seconds: number
  mb: number
}

/** The slope of the line that fits the samples best, MB a minute. */
const growthAMinute = (samples: Sample[]): number => {
  const mean = (pick: (sample: Sample) => number) => samples.reduce((sum, one) => sum + pick(one), 0) / samples.length
  const [seconds, mb] = [mean((one) => one.seconds), mean((one) => one.mb)]
  const covariance = mean((one) => (one.seconds - seconds) * (one.mb - mb))
  return (covariance / mean((one) => (one.seconds - seconds) ** 2)) * 60
}

/** Looks at the memory of a process once a second while some work goes on. */
const watched = async <Result>(pid: number, work: Promise<Result>): Promise<{ result: Result; samples: Sample[] }> => {
  const begun = performance.now()
  const samples: Sample[] = []
  const timer = setInterval(() => {
    samples.push({ seconds: (performance.now() - begun) / 1000, mb: residentMb(pid) })
  }, 1000)
  const result = await work.finally(() => clearInterval(timer))
  return { result, samples }
}

/** What a process takes goes up and down by tens of MB with its garbage: a quarter of the samples says what it mostly is. */
const quarters = (samples: Sample[]): { before: number; after: number } => {
  const count = Math.ceil(samples.length / 4)
  const mostly = (some: Sample[]) => median(some.map(({ mb }) => mb))
  return { before: mostly(samples.slice(0, count)), after: mostly(samples.slice(-count)) }
}

await stage(
  'soak',
  async (stage) => {
    const { report, child, makeFolder } = stage
    const { upstream, server, target } = await startGatewayServer(stage)
    const reader = await child('../gateway/streams-process.ts')
    const seconds = streamSeconds
    const reading = reader.ask<StreamsResult>('together', { target, pace, streams, seconds })
    const { result, samples } = await watched(server.pid, reading)
    const later = samples.filter((one) => one.seconds > warmUp.seconds)
    const slope = growthAMinute(later)

    const folder = makeFolder()
    const answered = () => upstream.ask<number>('answered')
    const send = async (count: number) => {
      const until = (await answered()) + count
      while ((await answered()) < until) {
        await wrk(folder, { ...target, body: plainCall, connections: clients, seconds: 5 })
      }
    }
    await send(warmUp.calls)
    const sent = await answered()
    const { before, after } = quarters((await watched(server.pid, send(calls))).samples)
    const plain = (await answered()) - sent

    report.table('memory, MB', [
      ['', 'at first', 'at last', 'growth'],
      [
        `${result.streams} streams, ${streams} at a time`,
        later[0]?.mb ?? Number.NaN,
        later.at(-1)?.mb ?? Number.NaN,
        slope,
      ],
      [`${plain} calls, ${clients} at a time`, before, after, after - before],
    ])
    report.note(`peak ${Math.round(peakResidentMb(server.pid))} MB; ${await recordsOf(server)} calls are on record`)
    // What garbage does in one minute says nothing about the next ones.
    if (!isQuick) report.aim(`growth a minute by ${streams} streams`, slope, 'at most', 1, ' MB')
    report.aim('frames lost or out of order', result.lost + result.reordered + result.unfinished, 'at most', 0)
    report.aim(`growth by ${calls} calls`, after - before, 'at most', 10, ' MB')
  },
  { longestSeconds, needed: ['wrk'] },
)
