/** What of a client's headers is meant for the model; credentials and what belongs to the connection never are. */
const towardsProvider = /^(content-type|idempotency-key|user-agent)$|^(openai|anthropic|x-stainless)-/
/** What of an answer's headers is meant for the client. */
const towardsClient =
  /^(content-type|x-request-id|request-id|retry-after|retry-after-ms)$|^(openai|anthropic|x-ratelimit)-/

type Headers = Readonly<Record<string, string | string[] | undefined>>

const chosen = (headers: Headers, names: RegExp): Record<string, string> => {
  const result: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string' && names.test(name)) result[name] = value
  }
  return result
}

/** What tells of the account that a key belongs to, or acts in it beyond one call. */
const ofAccount = /^(idempotency-key|openai-organization|openai-project|anthropic-organization-id)$/

/** The same headers for a key that is lent: its account is the server's, and shared with others. */
export const withoutAccount = <Values extends Headers>(headers: Values): Values =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofAccount.test(name))) as Values

/**
 * The headers of a request to a provider: its key, and what its row says where the client does not say it itself, such
 * as the version of the API that the client was written for.
 */
export const headersToProvider = (
  fromClient: Headers,
  ofRoute: Readonly<Record<string, string>>,
  stream: boolean,
): Record<string, string> => ({
  ...ofRoute,
  ...chosen(fromClient, towardsProvider),
  'content-type': 'application/json',
  accept: stream ? 'text/event-stream' : 'application/json',
  // A client that can unpack says so for itself; what is passed on is read on the way.
  'accept-encoding': 'identity',
})

/** The headers of an answer for the client. */
export const headersToClient = (fromProvider: Headers): Record<string, string> => chosen(fromProvider, towardsClient)
