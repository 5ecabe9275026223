/** Headers of a preflight answer for the methods of a path. */
export const preflightHeaders = (allow: string[]): Record<string, string> => ({
  'access-control-allow-methods': allow.join(', '),
  'access-control-allow-headers':
    'Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Mcp-Protocol-Version, Mcp-Session-Id, Range, ' +
    'Traceparent, Tracestate, X-Jetty-Collection, X-Jetty-Labels, X-Jetty-Record, X-Request-Id',
  'access-control-max-age': '600',
})

/** Headers that let pages of the allowed origin read an answer; undefined for every other origin. */
export const corsHeaders = (
  origin: string | undefined,
  allowed: string | undefined,
): Record<string, string> | undefined =>
  origin !== undefined && origin === allowed
    ? {
        'access-control-allow-origin': origin,
        'access-control-expose-headers':
          'Content-Disposition, Content-Range, ETag, Mcp-Session-Id, Retry-After, X-Jetty-Warnings, X-Request-Id',
        vary: 'Origin',
      }
    : undefined

/** The origin of an address, as browsers send it. */
export const originOf = (url: string | undefined): string | undefined => (url ? new URL(url).origin : undefined)
