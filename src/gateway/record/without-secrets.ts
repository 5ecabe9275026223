import { AppError } from '../../lib/errors.ts'
import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { Given } from '../ask/ask-native.ts'

const scrubbed = (headers: Record<string, string>, scrub: Scrubber): Record<string, string> => {
  const result: Record<string, string> = {}
  for (const name in headers) result[name] = scrub.text(headers[name] ?? '')
  return result
}

const withoutSecretsIn = (error: AppError, scrub: Scrubber): AppError => {
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

const cleaned = (given: Given, scrub: Scrubber): Given => {
  const headers = scrubbed(given.headers, scrub)
  if (given.kind === 'refused') return { ...given, headers, error: withoutSecretsIn(given.error, scrub) }
  if (given.kind !== 'whole' || !given.failure) return { ...given, headers }
  return { ...given, headers, bytes: Buffer.from(scrub.text(given.bytes.toString())) }
}

/**
 * What a provider gave, or threw, without the secrets that it says again: in its headers, in a refusal, and in an error
 * that came as if it were an answer. Answers are passed on as they are.
 */
export const withoutSecrets = async (asked: Promise<Given>, scrub: Scrubber): Promise<Given> => {
  try {
    return cleaned(await asked, scrub)
  } catch (error) {
    throw error instanceof AppError ? withoutSecretsIn(error, scrub) : error
  }
}
