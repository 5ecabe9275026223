import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { adminToken } from './site.ts'

export const collection = 'crash'

/** A run that was answered with a 2xx: from then on it must never be lost. */
export interface Acked {
  trajectoryId: string
  task: string
  start: number
}

export interface Reply {
  status: number
  retryAfter: string | null
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
  body: any
}

/** Calls the API and remembers what it was promised. */
export interface Client {
  acked: Acked[]
  /** How other answers to `start` were distributed; 0 stands for a connection that broke. */
  others: Map<number, number>
  call(url: string, method: string, path: string, body?: unknown, idempotencyKey?: string): Promise<Reply>
  /** A POST that may be repeated. Gives the body; undefined where no answer came, or one that says to try again. */
  postOnce(url: string, path: string, body: unknown, idempotencyKey: string): Promise<Reply['body'] | undefined>
  /** Makes the collection, and tasks in it. */
  setUp(url: string, tasks: Record<string, Workflow>): Promise<void>
  start(url: string, task: string, start: number, form?: Record<string, unknown>): Promise<Acked | undefined>
  /** Starts many, some at a time; never throws. */
  startMany(url: string, task: string, starts: number[], atOnce?: number): Promise<void>
  cancel(url: string, task: string, trajectoryIds: string[]): Promise<Reply>
  get(url: string, run: Acked): Promise<Reply>
}

const longestAnswer = 60_000

export const makeClient = (): Client => {
  const acked: Acked[] = []
  const others = new Map<number, number>()

  const call: Client['call'] = async (url, method, path, body, idempotencyKey) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        'content-type': 'application/json',
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
      signal: AbortSignal.timeout(longestAnswer),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
    }
  }

  const postOnce: Client['postOnce'] = async (url, path, body, idempotencyKey) => {
    const reply = await call(url, 'POST', path, body, idempotencyKey).catch(() => undefined)
    return reply?.status === 200 ? reply.body : undefined
  }

  const start: Client['start'] = async (url, task, value, form = {}) => {
    const body = { ...form, init_params: { start: value } }
    const reply = await call(url, 'POST', `/run/${collection}/${task}`, body).catch(() => undefined)
    const status = reply?.status ?? 0
    if (reply && status >= 200 && status < 300) {
      const run = { trajectoryId: reply.body.trajectory_id as string, task, start: value }
      acked.push(run)
      return run
    }
    others.set(status, (others.get(status) ?? 0) + 1)
    return undefined
  }

  const must = async (url: string, path: string, body: unknown): Promise<void> => {
    const { status, body: answer } = await call(url, 'POST', path, body)
    if (status >= 300) throw new Error(`${path} answered ${status}: ${JSON.stringify(answer)}`)
  }

  return {
    acked,
    others,
    call,
    postOnce,
    start,
    async setUp(url, tasks) {
      await must(url, '/collections', { name: collection })
      for (const [name, workflow] of Object.entries(tasks)) await must(url, `/tasks/${collection}`, { name, workflow })
    },
    async startMany(url, task, starts, atOnce = 32) {
      const left = [...starts]
      const one = async () => {
        for (let value = left.shift(); value !== undefined; value = left.shift()) await start(url, task, value)
      }
      await Promise.all(Array.from({ length: atOnce }, one))
    },
    cancel(url, task, trajectoryIds) {
      const wanted = Object.fromEntries(trajectoryIds.map((id) => [id, 'cancelled']))
      return call(url, 'POST', `/trajectory/${collection}/${task}/statuses`, wanted)
    },
    get: (url, run) => call(url, 'GET', `/trajectory/${collection}/${run.task}/${run.trajectoryId}`),
  }
}
