import type { Scrubber } from '../engine/scrub.ts'
import type { Given } from './ask-native.ts'

const scrubbed = (headers: Record<string, string>, scrub: Scrubber): Record<string, string> => {
  const result: Record<string, string> = {}
  for (const name in headers) result[name] = scrub.text(headers[name] ?? '')
  return result
}

/**
 * What a provider gave without the secrets that it says again: in its headers, and in an error that came as if it were
 * an answer. Answers are passed on as they are.
 */
export const withoutSecrets = (given: Given, scrub: Scrubber): Given => {
  const headers = scrubbed(given.headers, scrub)
  if (given.kind !== 'whole' || !given.failure) return { ...given, headers }
  return { ...given, headers, bytes: Buffer.from(scrub.text(given.bytes.toString())) }
}
