import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { SocketCall } from './implement.ts'
import type { Reply } from './reply.ts'

/** Sends a reply on a socket; one that is read while it comes breaks off visibly where its source does. */
export const sendReply = async (call: SocketCall, { body, headers, status = 200 }: Reply): Promise<void> => {
  const { outgoing } = call
  if (!(body instanceof ReadableStream)) {
    call.answering(status, 'whole')
    outgoing.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body ?? '')) }).end(body)
    return
  }
  call.answering(status, 'stream')
  outgoing.writeHead(status, headers)
  await pipeline(Readable.fromWeb(body as never, { highWaterMark: 1 }), outgoing).catch(() => outgoing.destroy())
}
