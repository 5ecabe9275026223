import { EventStreamCodec } from '@smithy/eventstream-codec'
import { type JsonObject, parsedObject } from '../../../lib/json/json-object.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'

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
 * Cuts the bytes of AWS's event stream into messages. Throws a RangeError for a message of more than `mostBytes`; do not push
 * any more then.
 */
export const makeAwsMessageCutter = (mostBytes: number) => {
  /** The message that has begun but not ended, and the bytes that it needs before more of it can be read. */
  const begun = makeByteBlocks()
  let needed = leastBytes
  return {
    *push(chunk: Uint8Array): Generator<Buffer, void> {
      begun.add(chunk)
      if (begun.size < needed) return
      let left = begun.take()
      for (needed = leastBytes; left.length >= needed; needed = leastBytes) {
        needed = left.readUInt32BE(0)
        if (needed < leastBytes || needed > mostBytes) throw new RangeError(`A message of ${needed} bytes`)
        if (left.length < needed) break
        yield left.subarray(0, needed)
        left = left.subarray(needed)
      }
      begun.add(left)
    },
    rest: begun.take,
  }
}

/**
 * Returns the data of the messages in AWS's event stream. Nothing behind a message of more than `mostBytes` is read, and
 * nothing behind one with a wrong checksum: where the next one begins is then unknown.
 */
export const makeAwsEventCutter = (mostBytes: number) => {
  const cutter = makeAwsMessageCutter(mostBytes)
  let isLost = false
  return {
    push(chunk: Buffer): string[] {
      const events: string[] = []
      try {
        if (!isLost) for (const message of cutter.push(chunk)) events.push(dataOf(message))
      } catch {
        isLost = true
        cutter.rest()
      }
      return events
    },
  }
}
