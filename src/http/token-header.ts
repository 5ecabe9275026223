import type { IncomingHttpHeaders } from 'node:http'
import type { Endpoint } from './endpoint.ts'

/** The token of a call as an Authorization header has it; some calls may bring it as `x-api-key`. */
export const tokenHeader = (
  { authorization, 'x-api-key': key }: IncomingHttpHeaders,
  { apiKeyHeader }: Endpoint,
): string | undefined => (authorization || !apiKeyHeader || key === undefined ? authorization : `Bearer ${key}`)
