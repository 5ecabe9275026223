// A provider with a batch interface on a real socket, in OpenAI's and in Anthropic's form. It knows what was sent to it.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wholeBody } from '../whole-body.ts'
import { completion } from './openai.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a body by asserting on it
type Body = any

/** What becomes of one request of a batch: an answer, an error with a status, or nothing before the batch expires. */
export type ItemFate = { say: string } | { status: number; message: string } | 'expires'

/** What the provider was just asked for. `uploaded` and `created` are reported before the answer leaves. */
export type BatchMoment = 'uploaded' | 'created' | 'looked' | 'read' | 'cancelled'

interface Item {
  custom_id: string
  body: Body
}

interface FakeBatch {
  id: string
  form: 'openai' | 'anthropic'
  createdMs: number
  endpoint: string
  metadata: Record<string, string>
  items: Item[]
  status: 'in_progress' | 'completed' | 'cancelled' | 'failed'
  problem?: string
}

export interface FakeBatchProvider {
  /** The base URL in OpenAI's form, and in Anthropic's. */
  url: string
  anthropicUrl: string
  batches: FakeBatch[]
  /** Names of the uploaded files. */
  files: { id: string; filename: string; createdMs: number; text: string }[]
  /** Bodies of the calls that were sent at once. */
  calls: Body[]
  /** Paths of all requests. */
  asked: string[]
  /** Every request that was part of a batch. */
  submitted(): Item[]
  /** Decides about a request of a batch; default: an answer. */
  decide(fate: (body: Body, custom_id: string) => ItemFate): void
  /** Whether batches end by themselves at the second look. Otherwise with `finish`. */
  endsByItself: boolean
  finish(batch: FakeBatch, how?: { status?: FakeBatch['status']; problem?: string }): void
  /** Called at a moment; it may return a status to refuse with, or `lost`: the request has its effect, and no answer. */
  at(
    hear: ((moment: BatchMoment) => number | 'lost' | undefined | Promise<number | 'lost' | undefined>) | undefined,
  ): void
  close(): Promise<void>
}

const wordsOf = (body: Body): string => {
  const content = body?.messages?.at(-1)?.content
  return typeof content === 'string' ? content : (content?.[0]?.text ?? '')
}

const partOf = (form: string, name: string): { text: string; filename: string | undefined } | undefined => {
  const boundary = form.slice(0, form.indexOf('\r\n'))
  for (const part of form.split(boundary)) {
    const [head = '', ...rest] = part.split('\r\n\r\n')
    if (!head.includes(`name="${name}"`)) continue
    return { text: rest.join('\r\n\r\n').replace(/\r\n$/, ''), filename: /filename="([^"]*)"/.exec(head)?.[1] }
  }
  return undefined
}

const send = (response: ServerResponse, body: unknown, status = 200): void => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json' }).end(text)
}

const message = (model: string, text: string) => ({
  ...{ id: 'msg_fake', type: 'message', role: 'assistant', model },
  content: [{ type: 'text', text }],
  ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 1000, output_tokens: 100 } },
})

export const startFakeBatchProvider = async (): Promise<FakeBatchProvider> => {
  let next = 0
  let fateOf: (body: Body, custom_id: string) => ItemFate = (body) => ({ say: `You said: ${wordsOf(body)}` })
  let hear: Parameters<FakeBatchProvider['at']>[0]
  const looks = new Map<string, number>()

  const resultsOf = (batch: FakeBatch): string => {
    const lines = batch.items.flatMap(({ custom_id, body }): object[] => {
      const fate = fateOf(body, custom_id)
      if (fate === 'expires') {
        if (batch.form === 'anthropic') return [{ custom_id, result: { type: 'expired' } }]
        return [{ id: 'r', custom_id, response: null, error: { code: 'batch_expired', message: 'expired' } }]
      }
      if (batch.form === 'anthropic') {
        if ('say' in fate) return [{ custom_id, result: { type: 'succeeded', message: message(body.model, fate.say) } }]
        const error = {
          type: fate.status === 429 ? 'rate_limit_error' : 'invalid_request_error',
          message: fate.message,
        }
        return [{ custom_id, result: { type: 'errored', error: { type: 'error', error } } }]
      }
      const response =
        'say' in fate
          ? { status_code: 200, request_id: 'q', body: completion(body.model, fate.say) }
          : { status_code: fate.status, request_id: 'q', body: { error: { message: fate.message } } }
      return [{ id: 'r', custom_id, response, error: null }]
    })
    return lines
      .reverse()
      .map((line) => `${JSON.stringify(line)}\n`)
      .join('') // in any order
  }

  const shown = (batch: FakeBatch) => {
    const isOver = batch.status !== 'in_progress'
    if (batch.form === 'anthropic') {
      const total = batch.items.length
      const counts = {
        processing: isOver ? 0 : total,
        succeeded: isOver ? total : 0,
        errored: 0,
        canceled: 0,
        expired: 0,
      }
      return {
        ...{ id: batch.id, type: 'message_batch', processing_status: isOver ? 'ended' : 'in_progress' },
        ...{ request_counts: counts, created_at: new Date(batch.createdMs).toISOString() },
        results_url: isOver ? `https://api.anthropic.com/v1/messages/batches/${batch.id}/results` : null,
      }
    }
    return {
      ...{ id: batch.id, object: 'batch', endpoint: batch.endpoint, status: batch.status, metadata: batch.metadata },
      created_at: Math.floor(batch.createdMs / 1000),
      output_file_id: isOver && batch.status !== 'failed' ? `out-${batch.id}` : null,
      error_file_id: null,
      request_counts: { total: batch.items.length, completed: isOver ? batch.items.length : 0, failed: 0 },
      errors: batch.problem ? { object: 'list', data: [{ code: 'x', message: batch.problem, line: 1 }] } : null,
    }
  }

  const look = (batch: FakeBatch): void => {
    const turn = (looks.get(batch.id) ?? 0) + 1
    looks.set(batch.id, turn)
    if (provider.endsByItself && turn >= 2 && batch.status === 'in_progress') batch.status = 'completed'
  }

  const make = (form: FakeBatch['form'], given: Pick<FakeBatch, 'endpoint' | 'metadata' | 'items'>): FakeBatch => {
    const batch: FakeBatch = { id: `batch_${++next}`, form, createdMs: Date.now(), status: 'in_progress', ...given }
    provider.batches.unshift(batch)
    return batch
  }

  const pageOf = <One extends { id: string }>(all: One[], query: URLSearchParams, after: string) => {
    const from = query.get(after) === null ? 0 : all.findIndex(({ id }) => id === query.get(after)) + 1
    const data = all.slice(from, from + Number(query.get('limit') ?? 20))
    return { data, has_more: from + data.length < all.length, last_id: data.at(-1)?.id ?? null }
  }

  /** Carries a request out; returns its answer and the moment that it was. */
  const carryOut = (method: string, path: string, query: URLSearchParams, text: string): [unknown, BatchMoment?] => {
    if (path === '/v1/chat/completions' || path === '/v1/messages') {
      const body = JSON.parse(text)
      provider.calls.push(body)
      const said = `You said: ${wordsOf(body)}`
      return [path === '/v1/messages' ? message(body.model, said) : completion(body.model, said)]
    }
    if (path === '/v1/files' && method === 'POST') {
      const part = partOf(text, 'file')
      const file = {
        id: `file-${++next}`,
        filename: part?.filename ?? '',
        createdMs: Date.now(),
        text: part?.text ?? '',
      }
      provider.files.unshift(file)
      return [{ id: file.id, object: 'file', filename: file.filename, created_at: 1, purpose: 'batch' }, 'uploaded']
    }
    if (path === '/v1/files') {
      const files = provider.files.map(({ id, filename, createdMs }) => ({
        ...{ id, filename, object: 'file', purpose: 'batch', created_at: Math.floor(createdMs / 1000) },
      }))
      return [pageOf(files, query, 'after')]
    }
    const [, output] = /^\/v1\/files\/out-(.+)\/content$/.exec(path) ?? []
    if (output) return [resultsOf(found(output)), 'read']
    if (path === '/v1/batches' && method === 'POST') {
      const { input_file_id, endpoint, metadata = {} } = JSON.parse(text)
      const lines =
        provider.files
          .find(({ id }) => id === input_file_id)
          ?.text.trim()
          .split('\n') ?? []
      return [shown(make('openai', { endpoint, metadata, items: lines.map((line) => JSON.parse(line)) })), 'created']
    }
    if (path === '/v1/batches') {
      return [pageOf(provider.batches.filter(({ form }) => form === 'openai').map(shown), query, 'after')]
    }
    if (path === '/v1/messages/batches' && method === 'POST') {
      const items = JSON.parse(text).requests.map((one: Body) => ({ custom_id: one.custom_id, body: one.params }))
      return [shown(make('anthropic', { endpoint: '/v1/messages', metadata: {}, items })), 'created']
    }
    if (path === '/v1/messages/batches') {
      return [pageOf(provider.batches.filter(({ form }) => form === 'anthropic').map(shown), query, 'after_id')]
    }
    const [, id = '', rest = ''] = /^\/v1\/(?:messages\/)?batches\/([^/]+)(\/\w+)?$/.exec(path) ?? []
    const batch = found(id)
    if (rest === '/results') return [resultsOf(batch), 'read']
    if (rest === '/cancel') {
      batch.status = 'cancelled'
      return [shown(batch), 'cancelled']
    }
    look(batch)
    return [shown(batch), 'looked']
  }

  const found = (id: string): FakeBatch => {
    const batch = provider.batches.find((one) => one.id === id)
    if (!batch) throw new Error(`There is no batch ${id}`)
    return batch
  }

  const server = createServer(async (request, response) => {
    const bytes = await wholeBody(request)
    if (!bytes) return
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake')
    provider.asked.push(`${request.method} ${pathname}`)
    try {
      const [answer, moment] = carryOut(request.method ?? 'GET', pathname, searchParams, bytes.toString())
      const told = moment && (await hear?.(moment))
      if (told === 'lost') return response.destroy()
      if (typeof told === 'number') return send(response, { error: { message: 'told so' } }, told)
      send(response, answer)
    } catch (error) {
      send(response, { error: { message: String(error) } }, 404)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const provider: FakeBatchProvider = {
    url: `http://127.0.0.1:${port}/v1`,
    anthropicUrl: `http://127.0.0.1:${port}`,
    ...{ batches: [], files: [], calls: [], asked: [], endsByItself: true },
    submitted: () => provider.batches.flatMap(({ items }) => items),
    decide: (fate) => {
      fateOf = fate
    },
    finish: (batch, { status = 'completed', problem } = {}) => {
      batch.status = status
      if (problem !== undefined) batch.problem = problem
    },
    at: (listener) => {
      hear = listener
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return provider
}
