import { EventStreamCodec } from '@smithy/eventstream-codec'
import { type JsonObject, parsedObject } from '../../lib/json/json-object.ts'

/** A message has at least its lengths, their checksum, and the checksum of the whole. */
const leastBytes = 16

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
)

/**
 * Converts a message to JSON text: exceptions to an error, the base64 event of `invoke` unwrapped, all others to
 * `{"<type>": <payload>}`. Throws if a length or a checksum is wrong.
 */
const dataOf = (message: Buffer): string => {
  const { headers, body } = codec.decode(message)
  const textOf = (name: string) => headers[name]?.value as string | undefined
  const payload: JsonObject = parsedObject(Buffer.from(body).toString()) ?? {}
  const exception = textOf(':exception-type') ?? textOf(':error-code')
  if (exception !== undefined) {
    const error = { type: exception, message: String(payload.message ?? exception) }
    return JSON.stringify({ type: 'error', error })
  }
  if (typeof payload.bytes === 'string') return Buffer.from(payload.bytes, 'base64').toString()
  return JSON.stringify({ [textOf(':event-type') ?? '']: payload })
}

/**
 * Cuts the bytes of AWS's event stream into messages and returns their data. Nothing behind a message of more than
 * `mostBytes` is read, and nothing behind one with a wrong checksum: where the next one begins is then unknown.
 */
export const makeAwsEventCutter = (mostBytes: number) => {
  let open: Buffer = Buffer.alloc(0)
  let isLost = false

  const cut = (bytes: Buffer, events: string[]): Buffer => {
    let left = bytes
    while (left.length >= leastBytes) {
      const length = left.readUInt32BE(0)
      if (length < leastBytes || length > mostBytes) throw new RangeError('Not the length of a message')
      if (left.length < length) break
      events.push(dataOf(left.subarray(0, length)))
      left = left.subarray(length)
    }
    return left
  }

  return {
    push(chunk: Buffer): string[] {
      if (isLost) return []
      const events: string[] = []
      try {
        open = cut(open.length === 0 ? chunk : Buffer.concat([open, chunk]), events)
      } catch {
        isLost = true
        open = Buffer.alloc(0)
      }
      return events
    },
  }
}
