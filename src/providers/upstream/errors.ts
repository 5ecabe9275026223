import { AppError } from '../../lib/errors.ts'
import { isObject, parsedJson } from '../../lib/json/json-object.ts'
import { retryAfterSeconds } from '../../lib/net/retry-after.ts'
import type { Upstream } from './upstream.ts'

const shownCharacters = 500
/** Characters of a body without JSON that are searched for a message. */
const readCharacters = 20_000

/** Finds the message in an error body, in any of the usual members; otherwise returns the text without markup. */
const wordsOf = (text: string): string => {
  const body = parsedJson(text)
  const error = isObject(body) ? (body.error ?? body.errors ?? body) : body
  const inner = Array.isArray(error)
    ? isObject(error[0]) && isObject(error[0].error)
      ? error[0].error
      : error[0]
    : error
  const words = isObject(inner) ? (inner.message ?? inner.Message ?? inner.detail ?? inner.error) : inner
  if (typeof words === 'string') return words
  return words === undefined ? text.slice(0, readCharacters).replace(/<[^<>]*>/g, ' ') : JSON.stringify(words)
}

/** A text as it may be shown: its beginning on one line, without the key. */
const shown = (text: string, { key }: Upstream): string =>
  (key ? text.replaceAll(key, '***') : text).replace(/\s+/g, ' ').trim().slice(0, shownCharacters)

const hints: Record<number, (target: Upstream) => string> = {
  401: ({ provider }) => `Check the key: ${provider.keys[0]} of the run's environment, or the api_key of the step.`,
  402: ({ provider }) => `The account at ${provider.name} has no credit left.`,
  403: ({ provider }) => `The key does not reach that model at ${provider.name}.`,
  404: ({ provider, model }) => `Check the name: ${provider.name} was asked for the model '${model}'.`,
  429: ({ provider }) => `The limit of the key at ${provider.name} is reached: wait, or raise it there.`,
}

/** The error for a refusal of a provider. Keeps its status and message, and never shows the key. */
export const refusal = (
  target: Upstream,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): AppError => {
  const words = shown(wordsOf(text), target)
  const wait = retryAfterSeconds(headers)
  const hint = hints[status]?.(target)
  return new AppError('upstream_failed', `${target.provider.name} answered ${status}${words ? `: ${words}` : ''}`, {
    retryable: status === 408 || status === 409 || status === 429 || status >= 500,
    extra: { upstream_status: status },
    ...(hint === undefined ? {} : { hint }),
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  })
}

/** Statuses of a provider whose model does not have a mode of answering, or has failed to keep to it. */
const refusingStatuses = new Set([400, 422])

/** Whether a provider refused a mode of answering, such as JSON mode. */
export const refusesMode = (error: unknown): boolean =>
  error instanceof AppError &&
  error.code === 'upstream_failed' &&
  refusingStatuses.has(Number(error.extra?.upstream_status))

/** The error for an answer that is not a `what`, such as `chat completion`. */
export const unreadable = (
  target: Upstream,
  what: string,
  { status, text, headers }: { status: number; text: string; headers: Readonly<Record<string, string>> },
): AppError => {
  const type = headers['content-type'] ?? 'no content type'
  const { provider, url } = target
  return new AppError(
    'upstream_failed',
    `${provider.name} answered ${status} with something other than a ${what} (${type}): ${shown(text, target)}`,
    { hint: `Check what answers at ${provider.base_url_variable ?? url}.` },
  )
}

/** A stream that ended before the answer in it did. */
export const cutOff = ({ provider }: Upstream): AppError =>
  new AppError('upstream_failed', `${provider.name} ended its answer early`, {
    hint: 'The part that arrived is not a complete answer. Send the request again.',
    retryable: true,
  })

/** The error for a request that a provider cannot carry out. */
export const impossible = ({ provider }: Upstream, problem: string, hint: string): AppError =>
  new AppError('parameter_invalid', `${provider.name} cannot process this request: ${problem}`, { hint })

/** Status of an error that came with a 200, as gateways in front of providers send it. */
export const errorInside = (body: unknown): number | undefined => {
  if (!isObject(body) || !isObject(body.error) || Array.isArray(body.choices)) return undefined
  const code = Number(body.error.code)
  return Number.isInteger(code) && code >= 400 && code < 600 ? code : 502
}

/** Adds to a timeout the settings that allow more time. */
export const timeoutHint = (error: AppError): AppError =>
  error.code === 'timed_out' && error.hint === undefined
    ? new AppError(error.code, error.message, {
        retryable: error.retryable,
        cause: error.cause,
        hint: 'For slow models, raise JETTY_MODEL_FIRST_BYTE_SECONDS or JETTY_MODEL_IDLE_SECONDS.',
      })
    : error
