import { MessageChannel } from 'node:worker_threads'

/** A port that nobody listens to: what is handed over to it is gone. */
const { port1: nowhere, port2 } = new MessageChannel()
nowhere.unref()
port2.close()

/** Smaller pieces are not worth a call, and may share their memory with others. */
const leastBytes = 16 * 1024

/**
 * Frees the memory of bytes that nobody uses any more, without waiting for the garbage collector. Its size counts as
 * garbage otherwise, so a body of a megabyte in pieces brings the next collection as near as half of a new heap does. The
 * bytes are empty afterwards. Does nothing to a part of a larger buffer.
 */
export const freeBytes = ({ buffer, byteLength }: Buffer): void => {
  if (byteLength < leastBytes || buffer.byteLength !== byteLength || !(buffer instanceof ArrayBuffer)) return
  nowhere.postMessage(buffer, [buffer])
}
