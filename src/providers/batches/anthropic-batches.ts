import { z } from 'zod'
import { answerText } from '../wires/read-answer.ts'
import type { BatchApi, ProviderBatch, SendToBatches } from './batch-api.ts'

const count = z.number()

const batchSchema = z.looseObject({
  id: z.string(),
  processing_status: z.string(),
  created_at: z.string(),
  results_url: z.string().nullish(),
  request_counts: z.looseObject({
    processing: count,
    succeeded: count,
    errored: count,
    canceled: count,
    expired: count,
  }),
})
type Batch = z.output<typeof batchSchema>

const pageSchema = z.looseObject({
  data: z.array(batchSchema),
  has_more: z.boolean(),
  last_id: z.string().nullish(),
})

const lineSchema = z.looseObject({
  custom_id: z.string(),
  result: z.discriminatedUnion('type', [
    z.looseObject({ type: z.literal('succeeded'), message: z.unknown() }),
    z.looseObject({
      type: z.literal('errored'),
      error: z.looseObject({ error: z.looseObject({ type: z.string() }).nullish(), type: z.string() }),
    }),
    z.looseObject({ type: z.enum(['canceled', 'expired']) }),
  ]),
})

/** The status that an error has outside of a batch. */
const statuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  timeout_error: 504,
  overloaded_error: 529,
}

const batches = '/v1/messages/batches'
const at = (id: string): string => `${batches}/${encodeURIComponent(id)}`

const shownBatch = ({ id, processing_status, request_counts }: Batch): ProviderBatch => {
  const isEnded = processing_status === 'ended'
  return {
    id,
    isEnded,
    completed: request_counts.succeeded,
    failed: request_counts.errored,
    results: isEnded ? [`${at(id)}/results`] : [],
    problem: undefined,
  }
}

const requestsOf = ({ request_counts: counts }: Batch): number =>
  counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired

const batchFrom = async (answer: ReturnType<SendToBatches>): Promise<ProviderBatch> =>
  shownBatch(batchSchema.parse(JSON.parse(await answerText(await answer))))

/** Pages of the list that are read, and how far the provider's clock may be behind. */
const mostPages = 20
const slackMs = 60_000

/** Anthropic's Message Batches. A batch carries no id of ours: only the ids of its results, once it has ended. */
export const anthropicBatches: BatchApi = {
  most: { requests: 100_000, bytes: 256 * 1024 * 1024 },
  isGuess: true,
  pathOf: (urlPath) => (urlPath.endsWith('/messages') ? '/v1/messages' : undefined),
  async create(send, _, requests) {
    const parts = (await requests()).map(({ id, body }) => `{"custom_id":${JSON.stringify(id)},"params":${body}}`)
    return batchFrom(
      send(batches, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `{"requests":[${parts.join(',')}]}`,
      }),
    )
  },
  async find(send, { createdMs, requests, others }) {
    let after = ''
    for (let page = 0; page < mostPages; page++) {
      const answer = await answerText(await send(`${batches}?limit=100${after}`))
      const { data, has_more, last_id } = pageSchema.parse(JSON.parse(answer))
      const isRecent = (one: Batch) => Date.parse(one.created_at) >= createdMs - slackMs
      const found = data.find((one) => isRecent(one) && requestsOf(one) === requests && !others.has(one.id))
      if (found) return shownBatch(found)
      const last = data.at(-1)
      if (!has_more || !last_id || (last && !isRecent(last))) return undefined
      after = `&after_id=${encodeURIComponent(last_id)}`
    }
    return undefined
  },
  retrieve: (send, id) => batchFrom(send(at(id))),
  cancel: (send, id) => batchFrom(send(`${at(id)}/cancel`, { method: 'POST' })),
  readLine(line) {
    const { data } = lineSchema.safeParse(line)
    if (!data) return undefined
    const { custom_id: id, result } = data
    if (result.type === 'succeeded') return { id, answer: { status: 200, body: JSON.stringify(result.message) } }
    if (result.type !== 'errored') return { id, answer: undefined }
    const type = result.error.error?.type ?? result.error.type
    return { id, answer: { status: statuses[type] ?? 500, body: JSON.stringify(result.error) } }
  },
}
