import { z } from 'zod'
import { answerText } from '../wires/read-answer.ts'
import type { BatchApi, ProviderBatch, SendToBatches, SentBatch } from './batch-api.ts'

const batchSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  created_at: z.number(),
  output_file_id: z.string().nullish(),
  error_file_id: z.string().nullish(),
  request_counts: z.looseObject({ completed: z.number(), failed: z.number() }).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  errors: z.looseObject({ data: z.array(z.looseObject({ message: z.string() })).nullish() }).nullish(),
})
type Batch = z.output<typeof batchSchema>

const fileSchema = z.looseObject({ id: z.string(), filename: z.string().nullish(), created_at: z.number() })
const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.looseObject({ data: z.array(item), has_more: z.boolean().nullish() })

const lineSchema = z.looseObject({
  custom_id: z.string(),
  response: z.looseObject({ status_code: z.number(), body: z.unknown() }).nullish(),
  error: z.looseObject({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
})

const ended = new Set(['completed', 'failed', 'expired', 'cancelled'])

const shownBatch = (batch: Batch): ProviderBatch => ({
  id: batch.id,
  isEnded: ended.has(batch.status),
  completed: batch.request_counts?.completed ?? 0,
  failed: batch.request_counts?.failed ?? 0,
  results: [batch.output_file_id, batch.error_file_id].flatMap((id) =>
    id ? [`/files/${encodeURIComponent(id)}/content`] : [],
  ),
  problem: batch.status === 'failed' ? (batch.errors?.data?.[0]?.message ?? 'it gave no reason') : undefined,
})

const jsonFrom = async <Schema extends z.ZodType>(
  schema: Schema,
  answer: ReturnType<SendToBatches>,
): Promise<z.output<Schema>> => schema.parse(JSON.parse(await answerText(await answer)))

/** The name under which the provider lists an upload. */
const fileName = ({ id }: SentBatch): string => `jetty-${id}.jsonl`
/** The member of the metadata in which the provider keeps our id. */
const idMember = 'jetty_batch'

/** Pages of a list that are read, and how much older than the first attempt its items may be: clocks differ. */
const mostPages = 50
const slackMs = 600_000

/** Looks through a list, newest first, until its items are older than the first attempt. */
const findInList = async <Item extends z.ZodType<{ id: string; created_at: number }>>(
  send: SendToBatches,
  { path, item, since }: { path: string; item: Item; since: number },
  isIt: (one: z.output<Item>) => boolean,
): Promise<z.output<Item> | undefined> => {
  let after = ''
  for (let page = 0; page < mostPages; page++) {
    const { data, has_more } = await jsonFrom(pageOf(item), send(`${path}${after}`))
    const found = data.find(isIt)
    if (found !== undefined) return found
    const last = data.at(-1)
    if (!has_more || last === undefined || last.created_at * 1000 < since - slackMs) return undefined
    after = `&after=${encodeURIComponent(last.id)}`
  }
  return undefined
}

const boundaryOf = ({ id }: SentBatch): string => `jetty-${id}`

const formOf = (batch: SentBatch, lines: string): string => {
  const boundary = boundaryOf(batch)
  const part = (head: string, body: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n${body}\r\n`
  return [
    part('name="purpose"', 'batch'),
    part(`name="file"; filename="${fileName(batch)}"\r\ncontent-type: application/jsonl`, lines),
    `--${boundary}--\r\n`,
  ].join('')
}

/** OpenAI's batches: a file with a request in each line, and a batch of that file. */
export const openAiBatches: BatchApi = {
  most: { requests: 50_000, bytes: 200 * 1024 * 1024 },
  isGuess: false,
  pathOf: (urlPath) => {
    const [path] = /\/(chat\/completions|completions|embeddings|responses)$/.exec(urlPath) ?? []
    return path && `/v1${path}`
  },
  upload: {
    async send(send, batch, requests) {
      const lines = requests.map(
        ({ id, body }) =>
          `{"custom_id":${JSON.stringify(id)},"method":"POST","url":${JSON.stringify(batch.path)},"body":${body}}\n`,
      )
      const sent = send('/files', {
        method: 'POST',
        headers: { 'content-type': `multipart/form-data; boundary=${boundaryOf(batch)}` },
        body: formOf(batch, lines.join('')),
      })
      return (await jsonFrom(fileSchema, sent)).id
    },
    async find(send, batch) {
      const list = { path: '/files?purpose=batch&limit=1000&order=desc', item: fileSchema, since: batch.createdMs }
      const found = await findInList(send, list, ({ filename }) => filename === fileName(batch))
      return found?.id
    },
  },
  async create(send, batch) {
    const body = {
      input_file_id: batch.fileId,
      endpoint: batch.path,
      completion_window: '24h',
      metadata: { [idMember]: batch.id },
    }
    const sent = send('/batches', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': batch.id },
      body: JSON.stringify(body),
    })
    return shownBatch(await jsonFrom(batchSchema, sent))
  },
  async find(send, batch) {
    const list = { path: '/batches?limit=100', item: batchSchema, since: batch.createdMs }
    const found = await findInList(send, list, ({ metadata }) => metadata?.[idMember] === batch.id)
    return found && shownBatch(found)
  },
  retrieve: async (send, id) => shownBatch(await jsonFrom(batchSchema, send(`/batches/${encodeURIComponent(id)}`))),
  cancel: async (send, id) =>
    shownBatch(await jsonFrom(batchSchema, send(`/batches/${encodeURIComponent(id)}/cancel`, { method: 'POST' }))),
  readLine(line) {
    const { data } = lineSchema.safeParse(line)
    if (!data) return undefined
    const { custom_id: id, response } = data
    return { id, answer: response ? { status: response.status_code, body: JSON.stringify(response.body) } : undefined }
  },
}
