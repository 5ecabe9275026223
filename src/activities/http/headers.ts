import { z } from 'zod'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Visible characters, spaces and tabs, and bytes above them: a line break would begin another header. */
const value = /^[\t\x20-\x7e\x80-\xff]*$/
/** Headers of the connection; the client writes them itself. */
const reserved = /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|expect|te|trailer|proxy-.*)$/i

/** A header name that may be sent. */
export const headerName = z
  .string()
  .max(200)
  .regex(token, 'a header name has letters, digits and - only')
  .refine((name) => !reserved.test(name), 'this header is written by Jetty and cannot be set')

/** A header value without line breaks. */
export const headerValue = z
  .string()
  .max(16_384)
  .regex(value, 'a header value has no line breaks, other control characters, or characters above U+00FF')

/** Headers by name; numbers and booleans are written as text. */
export const headersSchema = z.record(headerName, z.union([headerValue, z.number(), z.boolean()]))
