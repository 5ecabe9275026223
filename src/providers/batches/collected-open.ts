import { parsedObject } from '../../lib/json/json-object.ts'
import type { Open, OpenAnswer } from '../../lib/net/open.ts'
import type { CallCollector, CollectedCall } from '../../model/gateway/collected-call.ts'
import { chargeFor, priceOfBatched } from '../prices/prices.ts'
import type { Target } from '../provider.ts'
import { refusal } from '../upstream/errors.ts'
import { tokensIn } from '../upstream/usage/estimate.ts'
import { tokenUsage, usageIn } from '../upstream/usage/usage.ts'
import { answerText, isSuccess } from '../wires/read-answer.ts'

/** Tokens that are reserved for an answer without a limit. */
const usualAnswerTokens = 1_000

/** Why a target has no part in batches; undefined if it has. */
const refusalOf = ({ provider, lent }: Target): string | undefined => {
  if (provider.wire.isBuiltIn) return `${provider.name} has no batch interface`
  if (!provider.batches) return `${provider.name} has no batch interface that this server knows`
  return lent ? 'its key belongs to this server' : undefined
}

const answerOf = (status: number, body: string): OpenAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: (async function* () {
    yield Buffer.from(body)
  })(),
  close: () => {},
})

const mostTokensIn = (body: string): number => {
  const { max_tokens: most, max_completion_tokens: completion } = parsedObject(body) ?? {}
  const limit = most ?? completion
  return typeof limit === 'number' ? limit : usualAnswerTokens
}

/** Requests of one call, which a batch answers. */
interface CollectedOpen {
  open: Open
  /** The cost of the last answer. */
  readonly usd: number | null
}

/**
 * Makes the function by which a wire sends the requests of a collected call; undefined when the call has to be sent at once.
 * The wire builds the request and reads the answer as ever, whichever way both go.
 */
export const makeCollectedOpen = (
  target: Target,
  collect: CallCollector,
  { open, admit, again }: { open: Open; admit(): Promise<void>; again<T>(work: () => Promise<T>): Promise<T> },
): CollectedOpen | undefined => {
  const { provider, model, base_url, headers, trusted, key } = target
  const reason = refusalOf(target)
  if (reason !== undefined || !provider.batches) {
    collect.decline(reason ?? '')
    return undefined
  }
  const { api, price } = provider.batches
  let usd: number | null = null
  const account = { provider: provider.id, base_url, headers, trusted, ...(key === undefined ? {} : { key }) }
  const sendNow = async (call: CollectedCall, ...request: Parameters<Open>): Promise<OpenAnswer> => {
    await admit()
    const text = await again(async () => {
      const answer = await open(...request)
      const read = await answerText(answer)
      if (!isSuccess(answer)) throw refusal(target, answer.status, read, answer.headers)
      return read
    })
    const usage = usageIn(parsedObject(text)?.usage)
    usd = await chargeFor(target, usage)
    await collect.keep(call, { status: 200, body: text, usd, tokens: usage?.total_tokens ?? 0 })
    return answerOf(200, text)
  }
  return {
    get usd() {
      return usd
    },
    async open(url, request = {}) {
      const path = api.pathOf(new URL(url).pathname)
      if (path === undefined || typeof request.body !== 'string') {
        collect.decline(`${provider.name} takes no such calls in batches`)
        await admit()
        return open(url, request)
      }
      const { body } = request
      const call: CollectedCall = {
        ...{ account, model, path, body, admit },
        async estimate() {
          const usage = tokenUsage(tokensIn(body.length), mostTokensIn(body))
          return {
            usd: await priceOfBatched({ provider, model }, usage, price, 'estimate'),
            tokens: usage.total_tokens,
          }
        },
      }
      const found = await collect.ask(call)
      if (!found) return sendNow(call, url, request)
      usd = found.usd
      return answerOf(found.status, found.body)
    },
  }
}
