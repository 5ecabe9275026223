import { AppError, messageOf } from '../../lib/errors.ts'
import { parsedJson, parsedObject } from '../../lib/json/json-object.ts'
import type { Open } from '../../lib/net/open.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { BatchAccount } from '../../model/gateway/collected-call.ts'
import { findProvider } from '../catalogue.ts'
import { priceOfBatched } from '../prices/prices.ts'
import { refusal } from '../upstream/errors.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { usageIn } from '../upstream/usage/usage.ts'
import { answerText, isSuccess } from '../wires/read-answer.ts'
import type { BatchClient, BatchLine, SendToBatches } from './batch-api.ts'

/** Largest line of results that is read: an answer with images. */
const longestLine = 32 * 1024 * 1024

/** Yields the lines of an answer whole, however the network split them. */
async function* linesIn(body: AsyncIterable<Uint8Array>, from: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of body) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > longestLine)
      throw new AppError('upstream_failed', `${from} sent a result of more than ${byteSize(longestLine)}`)
    yield* lines
  }
  yield rest + decoder.decode()
}

/** Calls a batch interface, and turns whatever is not the expected answer into an error that names the provider. */
const understood = async <T>(from: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('upstream_failed', `${from} sent an answer of another form: ${messageOf(error).slice(0, 300)}`, {
      retryable: true,
      cause: error,
    })
  }
}

/** Makes the batch interface of an account; undefined if its provider has none. `open` sends with the account's agent. */
export const makeBatchClient = (
  { account, model }: { account: BatchAccount; model: string },
  open: (upstream: Upstream & { trusted: boolean }) => Open,
): BatchClient | undefined => {
  const provider = findProvider(account.provider)
  if (!provider?.batches) return undefined
  const { api, price } = provider.batches
  const { base_url, trusted, key } = account
  const upstream = { provider, model, url: base_url, base_url, trusted, ...(key === undefined ? {} : { key }) }
  const send: SendToBatches = async (path, request = {}) => {
    const headers = { ...request.headers, ...account.headers }
    const answer = await open(upstream)(`${base_url}${path}`, { method: 'GET', ...request, headers })
    if (isSuccess(answer)) return answer
    throw refusal(upstream, answer.status, await answerText(answer), answer.headers)
  }
  const { upload } = api
  const knowing = <T>(work: () => Promise<T>) => understood(provider.name, work)
  return {
    provider,
    most: api.most,
    isGuess: api.isGuess,
    upload: upload && ((batch, requests) => knowing(() => upload.send(send, batch, requests))),
    findUpload: (batch) => knowing(async () => upload?.find(send, batch)),
    create: (batch, requests) => knowing(() => api.create(send, batch, requests)),
    find: (batch) => knowing(() => api.find(send, batch)),
    retrieve: (id) => knowing(() => api.retrieve(send, id)),
    cancel: (id) => knowing(() => api.cancel(send, id)),
    async *results(batch) {
      for (const path of batch.results) {
        const answer = await send(path)
        for await (const line of linesIn(answer.body, provider.name)) {
          const read: BatchLine | undefined = line.trim() === '' ? undefined : api.readLine(parsedJson(line))
          if (read) yield read
        }
      }
    },
    async charge(body) {
      const usage = usageIn(parsedObject(body)?.usage)
      return { usd: await priceOfBatched({ provider, model }, usage, price), tokens: usage?.total_tokens ?? 0 }
    },
  }
}
