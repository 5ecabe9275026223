import { AppError, invalidField, messageOf } from '../../lib/errors.ts'
import type { Fetch } from '../../lib/net/net.ts'

/** Maximum bytes of a fetched runbook; published ones have at most 40,000. */
const mostBytes = 512 * 1024
const withinSeconds = 20

const field = ['body', 'jetty', 'runbook_url']

/** Converts the URL of a page that shows a file to that of the file. */
const asRaw = (url: URL): URL => {
  const [, owner, repository, kind, ...rest] = url.pathname.split('/')
  const isPage = url.hostname === 'github.com' && (kind === 'blob' || kind === 'raw') && rest.length > 1
  return isPage ? new URL(`https://raw.githubusercontent.com/${owner}/${repository}/${rest.join('/')}`) : url
}

const secureUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' && url.username === '' && url.password === '') return asRaw(url)
  throw invalidField(field, 'Expected an https URL without a user name or password')
}

/** Fetches a runbook from an https URL. Throws a 422 with the reason of a failure. */
export const fetchRunbook = async (
  fetch: Fetch,
  text: string,
  options: { allowedHosts: readonly string[] | undefined; signal: AbortSignal },
): Promise<string> => {
  const url = secureUrl(text)
  const request = { maxBytes: mostBytes, timeoutSeconds: withinSeconds, ...options }
  const answer = await fetch(url.href, request).catch((error: unknown) => {
    throw error instanceof AppError ? invalidField(field, messageOf(error), error.code) : error
  })
  if (!answer.url.startsWith('https:')) throw invalidField(field, 'The URL redirects to an address without https')
  if (answer.status !== 200) {
    throw invalidField(field, `${url.host} answered with status ${answer.status}`, 'upstream_failed')
  }
  const runbook = (await answer.text()).trim()
  if (runbook === '') throw invalidField(field, 'The file at this address is empty')
  if (/^<(!doctype|html)\b/i.test(runbook)) {
    throw invalidField(field, 'This address is a web page; use the address of the markdown file itself')
  }
  return runbook
}
