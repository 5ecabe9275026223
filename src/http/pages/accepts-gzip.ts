import type { IncomingHttpHeaders } from 'node:http'

const gzipCoding = /(?:^|,)\s*(gzip|\*)\s*(?:;\s*q=([\d.]+)\s*)?(?=,|$)/gi

/** Whether a client accepts gzip: its header names gzip or `*`, with a weight above 0 (RFC 9110 §12.5.3). */
export const acceptsGzip = ({ 'accept-encoding': header }: IncomingHttpHeaders): boolean => {
  const codings = [...String(header ?? '').matchAll(gzipCoding)]
  const own = codings.find(([, name]) => name?.toLowerCase() === 'gzip') ?? codings[0]
  return own !== undefined && Number(own[2] ?? 1) > 0
}
