import type { IncomingMessage } from 'node:http'

/** What a request sends; undefined where whoever asks leaves before all of it has come, as one does whose time is over. */
export const wholeBody = async (request: IncomingMessage): Promise<Buffer | undefined> => {
  const parts: Buffer[] = []
  try {
    for await (const part of request) parts.push(part as Buffer)
  } catch {
    return undefined
  }
  return Buffer.concat(parts)
}
