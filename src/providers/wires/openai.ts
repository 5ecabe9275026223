import { AppError } from '../../lib/errors.ts'
import type { Fetch, OutgoingResponse } from '../../lib/net.ts'
import { retryAfterSeconds } from '../../lib/retry-after.ts'
import { type ChatCompletion, type ChatRequest, chatCompletionSchema } from '../../model/chat.ts'
import type { Target } from '../provider.ts'

/** Seconds; see the settings of the same names. */
export interface CallLimits {
  firstByteSeconds: number
  idleSeconds: number
}

/** A call is bounded by its step and by silence; this is for an answer that never ends. */
const longestSeconds = 3600
const shownCharacters = 500

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The sentence in the body of an error, in whichever of the usual places; else the text itself, without markup. */
const wordsOf = (text: string): string => {
  const body = parsed(text)
  const error = isObject(body) ? (body.error ?? body.errors ?? body) : body
  const inner = Array.isArray(error) ? error[0] : error
  const words = isObject(inner) ? (inner.message ?? inner.detail ?? inner.error) : inner
  if (typeof words === 'string') return words
  const plain = words === undefined ? text.slice(0, 20_000).replace(/<[^<>]*>/g, ' ') : JSON.stringify(words)
  return plain.replace(/\s+/g, ' ').trim()
}

const hints: Record<number, (target: Target) => string> = {
  401: ({ provider }) => `Check the key: ${provider.keys[0]} of the run's environment, or the api_key of the step.`,
  402: ({ provider }) => `The account at ${provider.name} has no credit left.`,
  403: ({ provider }) => `The key does not reach that model at ${provider.name}.`,
  404: ({ provider, model }) => `Check the name: ${provider.name} was asked for the model '${model}'.`,
  429: ({ provider }) => `The limit of the key at ${provider.name} is reached: wait, or raise it there.`,
}

/** What a provider said instead of an answer; the key never stands in it. */
const refusal = (target: Target, status: number, text: string, headers: Record<string, string>): AppError => {
  const said = wordsOf(text)
  const words = target.key ? said.replaceAll(target.key, '***') : said
  const wait = retryAfterSeconds(headers)
  const hint = hints[status]?.(target)
  return new AppError(
    'upstream_failed',
    `${target.provider.name} answered ${status}${words ? `: ${words.slice(0, shownCharacters)}` : ''}`,
    {
      retryable: status === 408 || status === 409 || status === 429 || status >= 500,
      extra: { upstream_status: status },
      ...(hint === undefined ? {} : { hint }),
      ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
    },
  )
}

const unreadable = (target: Target, answer: OutgoingResponse, text: string): AppError => {
  const type = answer.headers['content-type'] ?? 'no content type'
  const words = target.key ? text.replaceAll(target.key, '***') : text
  return new AppError(
    'upstream_failed',
    `${target.provider.name} answered ${answer.status} with something that is no chat completion (${type}): ` +
      words.replace(/\s+/g, ' ').trim().slice(0, shownCharacters),
    {
      hint: `Check what answers at ${target.provider.base_url_variable ?? target.url}: it has to speak the OpenAI API.`,
    },
  )
}

/** Status of an error that came with a 200, as gateways in front of providers send it. */
const errorInside = (body: unknown): number | undefined => {
  if (!isObject(body) || !isObject(body.error) || Array.isArray(body.choices)) return undefined
  const code = Number(body.error.code)
  return Number.isInteger(code) && code >= 400 && code < 600 ? code : 502
}

const read = async (target: Target, answer: OutgoingResponse): Promise<ChatCompletion> => {
  const text = await answer.text()
  if (answer.status < 200 || answer.status > 299) throw refusal(target, answer.status, text, answer.headers)
  const body = parsed(text)
  const status = errorInside(body)
  if (status !== undefined) throw refusal(target, status, text, answer.headers)
  if (!chatCompletionSchema.safeParse(body).success) throw unreadable(target, answer, text)
  return body as ChatCompletion // as it was sent: what the schema gives back has its members in another order
}

/** The request as this provider wants it; nothing that it did not ask for is changed. */
const bodyFor = ({ provider, model }: Target, request: ChatRequest): string => {
  const { max_tokens: most, ...rest } = request
  const renamed = typeof most === 'number' && provider.renamed_max_tokens?.test(model) === true
  const limit = most === undefined || most === null ? {} : { [renamed ? 'max_completion_tokens' : 'max_tokens']: most }
  return JSON.stringify({ ...rest, ...limit, model, stream: undefined })
}

/** What went wrong on the way, told of the provider: where the server has it is nobody's business but the server's. */
const onTheWay = (error: unknown, { url, provider }: Target): unknown => {
  if (!(error instanceof AppError) || error.code === 'upstream_failed') return error
  const advice =
    error.code === 'timed_out'
      ? 'Slow models need more: JETTY_MODEL_FIRST_BYTE_SECONDS, JETTY_MODEL_IDLE_SECONDS.'
      : undefined
  const hint = error.hint ?? advice
  return new AppError(
    error.code,
    error.message.replaceAll(`POST ${url}`, provider.name).replaceAll(url, provider.name),
    {
      retryable: error.retryable,
      cause: error.cause,
      ...(hint === undefined ? {} : { hint }),
    },
  )
}

/** One chat completion over the OpenAI wire, tried once. The key goes into the header and nowhere else. */
export const completeOverOpenAi = async (
  target: Target,
  request: ChatRequest,
  fetch: Fetch,
  limits: CallLimits,
  signal: AbortSignal,
): Promise<ChatCompletion> => {
  try {
    const answer = await fetch(target.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...target.headers,
      },
      body: bodyFor(target, request),
      signal,
      followRedirects: false,
      timeoutSeconds: longestSeconds,
      ...limits,
    })
    return await read(target, answer)
  } catch (error) {
    throw onTheWay(error, target)
  }
}
