import { AppError } from '../../../lib/errors.ts'
import type { Scrubber } from '../../../lib/secrets/scrub.ts'
import type { UpstreamAnswer } from '../answer.ts'

export const redactHeaders = (headers: Record<string, string>, scrub: Scrubber): Record<string, string> => {
  if (scrub.isEmpty) return headers
  let all = ''
  for (const name in headers) all += `${headers[name]}\n`
  if (scrub.text(all) === all) return headers // one search: hardly any header holds a secret
  const result: Record<string, string> = {}
  for (const name in headers) result[name] = scrub.text(headers[name] ?? '')
  return result
}

export const redactError = (error: AppError, scrub: Scrubber): AppError => {
  const message = scrub.text(error.message)
  const hint = error.hint === undefined ? undefined : scrub.text(error.hint)
  if (message === error.message && hint === error.hint) return error
  const { code, retryable, retryAfterSeconds, extra, issues, cause } = error
  return new AppError(code, message, {
    retryable,
    cause,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(extra === undefined ? {} : { extra }),
    ...(issues === undefined ? {} : { issues }),
  })
}

const cleaned = (answer: UpstreamAnswer, scrub: Scrubber): UpstreamAnswer => {
  const headers = redactHeaders(answer.headers, scrub)
  if (answer.kind === 'refused') return { ...answer, headers, error: redactError(answer.error, scrub) }
  if (answer.kind !== 'whole' || !answer.failure) return headers === answer.headers ? answer : { ...answer, headers }
  return { ...answer, headers, bytes: Buffer.from(scrub.text(answer.bytes.toString())) }
}

/**
 * Removes secrets of the environment where a provider may repeat the request: in headers, refusals, and errors that came
 * with a status of success. Answers are passed on as they are.
 */
export const redactSecrets = async (asked: Promise<UpstreamAnswer>, scrub: Scrubber): Promise<UpstreamAnswer> => {
  try {
    return cleaned(await asked, scrub)
  } catch (error) {
    throw error instanceof AppError ? redactError(error, scrub) : error
  }
}
