import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Unique for this process, so that its requests need only be counted. */
const prefix = randomBytes(6).toString('hex')
let count = 0

/** What is safe in a log line and a header, and short enough to be repeated in both. */
const acceptable = /^[\w.:+/=-]{1,128}$/

/** The client's `X-Request-Id` where it has the form of one, else an id of our own. */
export const requestIdOf = (headers: IncomingHttpHeaders): string => {
  const given = headers['x-request-id']
  return typeof given === 'string' && acceptable.test(given) ? given : `${prefix}-${++count}`
}
