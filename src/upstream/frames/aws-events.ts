import { type JsonObject, parsedObject } from '../../lib/json/json-object.ts'

const preludeBytes = 12
const checksumBytes = 4
/** The type of a header whose value is a string; Bedrock uses no other. */
const stringHeader = 7

const headersOf = (bytes: Buffer): Map<string, string> => {
  const headers = new Map<string, string>()
  let at = 0
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!
    if (bytes[nameEnd] !== stringHeader || nameEnd + 3 > bytes.length) break
    const valueEnd = nameEnd + 3 + bytes.readUInt16BE(nameEnd + 1)
    headers.set(bytes.toString('utf8', at + 1, nameEnd), bytes.toString('utf8', nameEnd + 3, valueEnd))
    at = valueEnd
  }
  return headers
}

/**
 * The JSON text that a message stands for: an exception as an error, the event that `invoke` wraps in base64 as it is, any
 * other as `{"<type>": <payload>}`.
 */
const dataOf = (message: Buffer): string => {
  const headersEnd = preludeBytes + message.readUInt32BE(4)
  const headers = headersOf(message.subarray(preludeBytes, headersEnd))
  const payload: JsonObject = parsedObject(message.toString('utf8', headersEnd, message.length - checksumBytes)) ?? {}
  const exception = headers.get(':exception-type') ?? headers.get(':error-code')
  if (exception !== undefined) {
    const error = { type: exception, message: String(payload.message ?? exception) }
    return JSON.stringify({ type: 'error', error })
  }
  if (typeof payload.bytes === 'string') return Buffer.from(payload.bytes, 'base64').toString()
  return JSON.stringify({ [headers.get(':event-type') ?? '']: payload })
}

/**
 * Cuts the bytes of AWS's event stream into messages and returns their data. Nothing behind a message of more than
 * `mostBytes` is read.
 */
export const makeAwsEventCutter = (mostBytes: number) => {
  let open: Buffer = Buffer.alloc(0)
  let isLost = false
  return {
    push(chunk: Buffer): string[] {
      if (isLost) return []
      const events: string[] = []
      let left: Buffer = open.length === 0 ? chunk : Buffer.concat([open, chunk])
      while (left.length >= preludeBytes) {
        const length = left.readUInt32BE(0)
        if (length < preludeBytes + checksumBytes || length > mostBytes) {
          isLost = true
          left = left.subarray(left.length)
          break
        }
        if (left.length < length) break
        events.push(dataOf(left.subarray(0, length)))
        left = left.subarray(length)
      }
      open = left
      return events
    },
  }
}
