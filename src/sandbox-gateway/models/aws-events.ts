/** One message of AWS's event stream. */
export interface AwsEvent {
  /** Of its headers: `:event-type`, or `:exception-type`. */
  type: string
  isException: boolean
  payload: Buffer
}

const preludeBytes = 12
const checksumBytes = 4
/** The type of a header that has a text; those of Bedrock all have. */
const textHeader = 7

const headersOf = (bytes: Buffer): Map<string, string> => {
  const headers = new Map<string, string>()
  let at = 0
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!
    if (bytes[nameEnd] !== textHeader || nameEnd + 3 > bytes.length) break
    const valueEnd = nameEnd + 3 + bytes.readUInt16BE(nameEnd + 1)
    headers.set(bytes.toString('utf8', at + 1, nameEnd), bytes.toString('utf8', nameEnd + 3, valueEnd))
    at = valueEnd
  }
  return headers
}

const eventOf = (message: Buffer): AwsEvent => {
  const headersEnd = preludeBytes + message.readUInt32BE(4)
  const headers = headersOf(message.subarray(preludeBytes, headersEnd))
  const exception = headers.get(':exception-type') ?? headers.get(':error-code')
  return {
    type: exception ?? headers.get(':event-type') ?? '',
    isException: exception !== undefined,
    payload: message.subarray(headersEnd, message.length - checksumBytes),
  }
}

/** Cuts bytes into whole messages. One of more than `mostBytes` is no message: everything behind it is left out. */
export const makeAwsEventCutter = (mostBytes: number) => {
  let open: Buffer = Buffer.alloc(0)
  let isLost = false
  return {
    push(chunk: Buffer): AwsEvent[] {
      if (isLost) return []
      const events: AwsEvent[] = []
      let left: Buffer = open.length === 0 ? chunk : Buffer.concat([open, chunk])
      while (left.length >= preludeBytes) {
        const length = left.readUInt32BE(0)
        if (length < preludeBytes + checksumBytes || length > mostBytes) {
          isLost = true
          left = left.subarray(left.length)
          break
        }
        if (left.length < length) break
        events.push(eventOf(left.subarray(0, length)))
        left = left.subarray(length)
      }
      open = left
      return events
    },
  }
}
