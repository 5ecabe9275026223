import type { IncomingHttpHeaders } from 'node:http'

/** What of a request from inside is meant for the model. Whatever could be a key, or choose an account, is not. */
const towardsProvider =
  /^(content-type|accept|user-agent|idempotency-key|prefer|http-referer|x-title|openai-beta|originator)$|^(anthropic|x-stainless|x-goog-api-client|x-amzn-bedrock)(-|$)/
/** What of an answer is meant for the inside. */
const towardsInside =
  /^(content-type|request-id|x-request-id|retry-after|retry-after-ms|x-should-retry|openai-processing-ms|openai-version)$|^(anthropic-ratelimit|x-ratelimit|x-amzn)-/

export const headersToProvider = (
  fromInside: IncomingHttpHeaders,
  ofRoute: Readonly<Record<string, string>>,
): Record<string, string> => {
  const chosen: Record<string, string> = {}
  for (const [name, value] of Object.entries(fromInside)) {
    if (typeof value === 'string' && towardsProvider.test(name)) chosen[name] = value
  }
  // The key comes last: nothing from inside is put in its place.
  const version = chosen['anthropic-version']
  return { ...chosen, ...ofRoute, ...(version && { 'anthropic-version': version }), 'accept-encoding': 'identity' }
}

export const headersToInside = (
  fromProvider: Readonly<Record<string, string | string[] | undefined>>,
  scrub: (text: string) => string,
): Record<string, string> => {
  const chosen: Record<string, string> = {}
  for (const [name, value] of Object.entries(fromProvider)) {
    if (typeof value === 'string' && towardsInside.test(name)) chosen[name] = scrub(value)
  }
  return chosen
}
