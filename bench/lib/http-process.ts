// An HTTP client in a process of its own, with kept-alive connections.
import { Pool } from 'undici'
import { obey } from './children.ts'
import { closedLoop, type Load, oneByOne } from './closed-loop.ts'

export interface HttpRequest {
  method: 'GET' | 'POST'
  path: string
  body?: string
}

await obey(async () => {
  const origin = process.env.BENCH_URL ?? ''
  const pool = new Pool(origin, { connections: 64, pipelining: 1 })
  const headers = { authorization: `Bearer ${process.env.BENCH_TOKEN}`, 'content-type': 'application/json' }
  const send = async ({ method, path, body }: HttpRequest): Promise<string> => {
    const answer = await pool.request({ method, path, headers, ...(body !== undefined && { body }) })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
    return text
  }
  return {
    send,
    throughput: ({ request, ...load }: Load & { request: HttpRequest }) => closedLoop(load, () => send(request)),
    /** So many requests, the given ones in turn, so many at a time. */
    burst: async ({ requests, count, clients }: { requests: HttpRequest[]; count: number; clients: number }) => {
      let begun = 0
      const client = async () => {
        while (begun < count) await send(requests[begun++ % requests.length] as HttpRequest)
      }
      await Promise.all(Array.from({ length: clients }, client))
    },
    latency: ({ requests }: { requests: HttpRequest[] }) => {
      let at = 0
      return oneByOne(requests.length, () => send(requests[at++] as HttpRequest))
    },
  }
})
