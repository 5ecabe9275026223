/**
 * Whether the gateway keeps its size: 200 streams open and renewed for five minutes, then 200,000 plain calls. `--quick`
 * is one minute and 20,000. What is measured is what the process still holds after its garbage was collected.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pause } from '../src/lib/time.ts'
import { plainCall } from './gateway/calls.ts'
import { recordsOf, startGatewayServer } from './gateway/server.ts'
import type { StreamsResult } from './gateway/streams-process.ts'
import { wrk } from './gateway/wrk.ts'
import { peakResidentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const streams = 200
const pace = { chunks: 100, everyMs: 20 }
const streamSeconds = isQuick ? 60 : 300
/** What a process makes at first it keeps: it is not counted as growth. */
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

/** What a process has written of its memory (`lib/memory-probe.mjs`). */
const samplesIn = (file: string): Sample[] => {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  return lines.map((line) => {
    const [ms = Number.NaN, bytes = Number.NaN] = line.split(' ').map(Number)
    return { seconds: ms / 1000, mb: bytes / 1e6 }
  })
}

/** What a process holds when nothing is under way any more. */
const heldAtRest = async (file: string): Promise<number> => {
  const count = samplesIn(file).length
  for (;;) {
    const samples = samplesIn(file)
    if (samples.length > count + 1) return samples.at(-1)?.mb ?? Number.NaN
    await pause(500)
  }
}

const probe = fileURLToPath(new URL('./lib/memory-probe.mjs', import.meta.url))

await stage(
  'soak',
  async (stage) => {
    const { report, child, makeFolder } = stage
    const folder = makeFolder()
    const file = join(folder, 'memory')
    const more = { NODE_OPTIONS: `--import ${probe}`, MEMORY_FILE: file }
    const { upstream, server, target } = await startGatewayServer(stage, { more })
    const reader = await child('../gateway/streams-process.ts')
    const seconds = streamSeconds
    const begun = Date.now() / 1000
    const result = await reader.ask<StreamsResult>('together', { target, pace, streams, seconds })
    const later = samplesIn(file).filter((one) => one.seconds > begun + warmUp.seconds)
    const slope = growthAMinute(later)

    const answered = () => upstream.ask<number>('answered')
    const send = async (count: number) => {
      const until = (await answered()) + count
      while ((await answered()) < until) {
        await wrk(folder, { ...target, body: plainCall, connections: clients, seconds: 5 })
      }
    }
    await send(warmUp.calls)
    const before = await heldAtRest(file)
    const sent = await answered()
    await send(calls)
    const after = await heldAtRest(file)
    const plain = (await answered()) - sent

    report.table('memory that is held, MB', [
      ['', 'at first', 'at last', 'growth'],
      [
        `${result.streams} streams, ${streams} at a time`,
        later[0]?.mb ?? Number.NaN,
        later.at(-1)?.mb ?? Number.NaN,
        slope,
      ],
      [`${plain} calls, ${clients} at a time`, before, after, after - before],
    ])
    report.note(
      `at most ${Math.round(peakResidentMb(server.pid))} MB resident; ${await recordsOf(server)} calls are on record`,
    )
    // One minute has too few samples.
    if (!isQuick) report.aim(`growth a minute by ${streams} streams`, slope, 'at most', 1, ' MB')
    report.aim('frames lost or out of order', result.lost + result.reordered + result.unfinished, 'at most', 0)
    report.aim(`growth by ${calls} calls`, after - before, 'at most', 10, ' MB')
  },
  { longestSeconds, needed: ['wrk'] },
)
