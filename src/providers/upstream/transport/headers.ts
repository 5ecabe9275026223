/** Request headers meant for the model. Credentials and headers of the connection are never among them. */
const towardsProvider =
  /^(accept|content-type|http-referer|idempotency-key|originator|prefer|user-agent|x-title)$|^(anthropic|openai|x-amzn-bedrock|x-goog-api-client|x-stainless)(-|$)/
/** Response headers meant for the client. */
const towardsClient =
  /^(content-type|request-id|retry-after|retry-after-ms|x-request-id|x-should-retry)$|^(anthropic|openai|x-amzn|x-ratelimit)-/

/** Headers that choose or name the account behind a key, or act in it beyond one call. */
const ofAccount = /^(idempotency-key|openai-organization|openai-project|anthropic-organization-id)$/

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The account that a call uses: the client's own, or one that the client must neither choose nor learn about. */
export type Account = 'own' | 'shared'

const chosen = (
  headers: Headers,
  names: RegExp,
  account: Account,
  result: Record<string, string> = {},
): Record<string, string> => {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string' || !names.test(name)) continue
    if (account === 'own' || !ofAccount.test(name)) result[name] = value
  }
  return result
}

/**
 * The headers of a request to a provider, in three steps: what its row and its key say, then what the client says, then
 * what this server needs to read the answer. A client can override the version of an API, and never a credential, since
 * none is on the list of headers that pass.
 */
export const headersToProvider = (
  fromClient: Headers,
  ofRoute: Readonly<Record<string, string>>,
  account: Account,
): Record<string, string> => {
  const headers = chosen(fromClient, towardsProvider, account, { ...ofRoute })
  // Uncompressed, because the gateway reads the answer while it forwards it.
  headers['accept-encoding'] = 'identity'
  return headers
}

/** The headers of an answer for the client. */
export const headersToClient = (fromProvider: Headers, account: Account): Record<string, string> =>
  chosen(fromProvider, towardsClient, account)
