import { crc32 } from 'node:zlib'
import type { RecordedCall } from '../../model/gateway/recorded-call.ts'

const checksum = (bytes: Uint8Array): string => crc32(bytes).toString(16).padStart(8, '0')
const checksumLength = 8

/** Formats a call as a line of the call log: checksum, space, JSON. */
export const callLine = (call: RecordedCall): Buffer => {
  const json = Buffer.from(JSON.stringify(call))
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from('\n')])
}

/** Parses a line without its end; undefined when it is damaged. */
export const callOfLine = (line: Buffer): RecordedCall | undefined => {
  const json = line.subarray(checksumLength + 1)
  if (line.subarray(0, checksumLength + 1).toString('latin1') !== `${checksum(json)} `) return undefined
  return JSON.parse(json.toString()) as RecordedCall
}

const lineFeed = 10

/** Yields the lines of a file without their ends; the last one may be truncated. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer[] = []
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, end)])
      begun = []
      from = end + 1
    }
    if (from < chunk.length) begun.push(chunk.subarray(from))
  }
  if (begun.length > 0) yield Buffer.concat(begun)
}
