import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Random prefix of this process: a counter then makes each id unique. */
const prefix = randomBytes(6).toString('hex')
let count = 0

/** Ids that are safe in log lines and headers, and short enough to repeat there. */
const acceptable = /^[\w.:+/=-]{1,128}$/

/** Returns the client's `X-Request-Id` if it is well-formed, otherwise a new id. */
export const requestIdOf = (headers: IncomingHttpHeaders): string => {
  const given = headers['x-request-id']
  return typeof given === 'string' && acceptable.test(given) ? given : `${prefix}-${++count}`
}
