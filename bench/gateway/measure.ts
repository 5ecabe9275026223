import type { Child } from '../lib/children.ts'
import { median } from '../lib/numbers.ts'
import { cpuSecondsOf } from '../lib/processes.ts'
import { burstCall, largeCall, plainCall } from './calls.ts'
import type { StreamsResult, StreamTarget } from './streams-process.ts'
import { wrk } from './wrk.ts'

/** Something that answers chat completions. */
export interface Target extends StreamTarget {
  name: string
  /** Of the gateway; the upstream itself has none to be watched. */
  pid?: number
  /** Does it write to the database? Then what that costs is measured as well. */
  records?: boolean
  /** Resolves once everything is recorded: prompts of 1 MB are stored for a while, on the core of upstream and clients. */
  settled?: () => Promise<unknown>
}

/** What one round found of one target. */
export interface Round {
  plainMs: number
  burstMs: number
  largeMs: number
  firstFrameMs: number
  requestsPerSecond: number
  cpuMicros: number
  postgresMicros: number
  streams: StreamsResult
}

export interface Tools {
  folder: string
  reader: Child
  postgresPid: number
}

const seconds = { alone: 2, full: 3, burst: 1, large: 1, streams: 2 }
const clientsOfFull = 16
const pace = { chunks: 40, everyMs: 20 }
const shortPace = { chunks: 3, everyMs: 20 }
const firstFrames = 20
const openStreams = 200

/** Everything that is measured, of one target, once. */
export const measure = async (target: Target, { folder, reader, postgresPid }: Tools): Promise<Round> => {
  const { url, headers, pid } = target
  const load = { url, headers, body: plainCall, connections: 1, seconds: seconds.alone }
  const plain = await wrk(folder, load)
  const burst = await wrk(folder, { ...load, body: burstCall, seconds: seconds.burst })
  const large = await wrk(folder, { ...load, body: largeCall, seconds: seconds.large })
  await target.settled?.()
  const first = await reader.ask<number[]>('alone', { target, pace: shortPace, count: firstFrames })
  const used = () => [pid ? cpuSecondsOf(pid) : Number.NaN, cpuSecondsOf(postgresPid)] as const
  const [before, postgresBefore] = used()
  const full = await wrk(folder, { ...load, connections: clientsOfFull, seconds: seconds.full })
  const [after, postgresAfter] = used()
  const streams = await reader.ask<StreamsResult>('together', {
    target,
    pace,
    streams: openStreams,
    seconds: seconds.streams,
  })
  return {
    plainMs: plain.p50Ms,
    burstMs: burst.p50Ms,
    largeMs: large.p50Ms,
    firstFrameMs: median(first),
    requestsPerSecond: full.requests / full.seconds,
    cpuMicros: ((after - before) / full.requests) * 1e6,
    postgresMicros: target.records ? ((postgresAfter - postgresBefore) / full.requests) * 1e6 : Number.NaN,
    streams,
  }
}
