// Reads paced streams in a process of its own, and looks at every frame: none may be missing or out of order.
import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'
import { pause } from '../../src/lib/time.ts'
import { obey } from '../lib/children.ts'
import { pacedCall } from './calls.ts'

export interface StreamTarget {
  url: string
  headers: Record<string, string>
}

interface Pace {
  chunks: number
  everyMs: number
}

export interface StreamsResult {
  /** Milliseconds from the request to the first frame, of each stream. */
  firstFrameMs: number[]
  /** That came while all streams were open. */
  framesPerSecond: number
  streams: number
  /** Frames that never came, and those that came before one of lower number. */
  lost: number
  reordered: number
  /** Streams that did not end with [DONE]. */
  unfinished: number
}

interface Seen {
  firstMs: number
  places: number[]
  done: boolean
}

const agent = new Agent({ keepAlive: true, maxSockets: 1024 })

/** Opens one stream and reads it to its end. */
const readStream = ({ url, headers }: StreamTarget, pace: Pace, onFrame: () => void): Promise<Seen> =>
  new Promise((resolve, reject) => {
    const body = pacedCall(pace.chunks, pace.everyMs)
    const seen: Seen = { firstMs: 0, places: [], done: false }
    const begun = performance.now()
    const outgoing = request(url, {
      method: 'POST',
      agent,
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    })
    const take = (line: string) => {
      if (line === 'data: [DONE]') seen.done = true
      if (!line.startsWith('data: {')) return
      seen.firstMs ||= performance.now() - begun
      seen.places.push(Number(/"content":"(\d+) "/.exec(line)?.[1]))
      onFrame()
    }
    outgoing.on('response', (answer) => {
      let left = ''
      answer.setEncoding('utf8')
      answer.on('data', (text: string) => {
        const lines = (left + text).split('\n')
        left = lines.pop() ?? ''
        lines.forEach(take)
      })
      answer.on('error', reject)
      answer.on('end', () =>
        answer.statusCode === 200 ? resolve(seen) : reject(new Error(`${url}: ${answer.statusCode} ${left}`)),
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })

const faultsOf = (seen: Seen[], chunks: number) => ({
  lost: seen.reduce((total, { places }) => total + chunks - new Set(places).size, 0),
  reordered: seen.reduce(
    (total, { places }) => total + places.filter((place, at) => place < (places[at - 1] ?? 0)).length,
    0,
  ),
  unfinished: seen.filter(({ done }) => !done).length,
})

await obey(async () => ({
  /** One stream after another. */
  async alone({ target, pace, count }: { target: StreamTarget; pace: Pace; count: number }): Promise<number[]> {
    const times: number[] = []
    for (let at = 0; at < count; at++) times.push((await readStream(target, pace, () => {})).firstMs)
    return times
  },
  /** So many streams at a time, each followed by the next; they begin one after another over the time that one takes. */
  async together(asked: {
    target: StreamTarget
    pace: Pace
    streams: number
    seconds: number
  }): Promise<StreamsResult> {
    const { target, pace, streams, seconds } = asked
    const lengthMs = pace.chunks * pace.everyMs
    const seen: Seen[] = []
    const from = performance.now() + lengthMs
    const until = from + seconds * 1000
    let frames = 0
    const onFrame = () => {
      const now = performance.now()
      if (now >= from && now < until) frames++
    }
    const client = async (_: unknown, index: number) => {
      await pause((index / streams) * lengthMs)
      while (performance.now() < until) seen.push(await readStream(target, pace, onFrame))
    }
    await Promise.all(Array.from({ length: streams }, client))
    return {
      firstFrameMs: seen.map(({ firstMs }) => firstMs),
      framesPerSecond: frames / seconds,
      streams: seen.length,
      ...faultsOf(seen, pace.chunks),
    }
  },
}))
