import type { ServerResponse } from 'node:http'
import type { SocketCall } from './implement.ts'
import type { Reply } from './reply.ts'

/** Resolves when there is room again, or nobody is left to read. */
const roomAgain = (outgoing: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const go = () => {
      outgoing.off('drain', go).off('close', go)
      resolve()
    }
    outgoing.on('drain', go).on('close', go)
  })

/** Sends a reply on a socket; one that is read while it comes breaks off visibly where its source does. */
export const sendReply = async (call: SocketCall, { body, headers: given, status = 200 }: Reply): Promise<void> => {
  const { outgoing } = call
  const headers = { ...given, 'x-request-id': call.requestId }
  if (!(body instanceof ReadableStream)) {
    call.answering(status, 'whole')
    outgoing.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body ?? '')) }).end(body)
    return
  }
  call.answering(status, 'stream')
  outgoing.writeHead(status, headers)
  const reader = body.getReader()
  const leave = () => void reader.cancel().catch(() => {})
  outgoing.once('close', leave)
  reader.closed.catch(() => outgoing.destroy()) // also while the client is waited for
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || outgoing.destroyed) break
      if (!outgoing.write(value)) await roomAgain(outgoing)
    }
    outgoing.end()
  } catch {
    // cut off already
  } finally {
    outgoing.off('close', leave)
  }
}
