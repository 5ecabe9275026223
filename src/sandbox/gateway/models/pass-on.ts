import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { AppError } from '../../../lib/errors.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import type { UpstreamAnswer } from '../../../providers/upstream/answer.ts'
import { geminiFromChat, makeGeminiEvents } from '../../../providers/upstream/convert/chat-to-gemini.ts'
import type { Frame } from '../../../providers/upstream/frames/sse.ts'
import { streamItems } from '../../../providers/upstream/push-stream.ts'

/** A larger answer cannot be converted. */
const convertedBytes = 16 * 1024 * 1024

/** The bytes of an answer for the sandbox, in pieces as they can be written. */
type Pieces = AsyncIterable<Buffer>

const bytesOf = (frames: readonly Frame[]): Buffer =>
  frames.length === 1 ? frames[0]!.bytes : Buffer.concat(frames.map(({ bytes }) => bytes))

const asItIs = async function* (answer: UpstreamAnswer): Pieces {
  if (answer.kind === 'events') {
    for await (const frames of streamItems(answer.source)) yield bytesOf(frames)
  } else if (answer.kind === 'large') {
    if (answer.begun.length > 0) yield answer.begun
    yield* streamItems(answer.rest)
  } else yield answer.bytes
}

const asGemini = async function* (answer: UpstreamAnswer): Pieces {
  if (answer.kind === 'events') {
    const events = makeGeminiEvents()
    for await (const frames of streamItems(answer.source)) {
      yield Buffer.concat(frames.map(({ data }) => events.take(data ?? '')))
    }
    return yield events.rest()
  }
  const bytes = makeByteBlocks()
  let size = 0
  for await (const chunk of asItIs(answer)) {
    size += chunk.length
    if (size <= convertedBytes) bytes.add(chunk)
    yield Buffer.alloc(0) // bytes still arrive
  }
  yield geminiFromChat(size <= convertedBytes ? bytes.take().toString() : '')
}

/** Waits until the sandbox has read what was written. Throws if it disconnects, or reads nothing for too long. */
const drained = async (response: ServerResponse, seconds: number, signal: AbortSignal): Promise<void> => {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), seconds * 1000)
  try {
    await once(response, 'drain', { signal: AbortSignal.any([signal, late.signal]) })
  } catch (cause) {
    throw new AppError('timed_out', `The sandbox has not read its answer for ${seconds} s`, { cause })
  } finally {
    clearTimeout(timer)
  }
}

/** Writes an answer as it arrives. `onPiece` is called for each piece, and may throw to break the answer off. */
export const passOn = async (
  answer: UpstreamAnswer,
  response: ServerResponse,
  options: { toGemini: boolean; stalledSeconds: number; signal: AbortSignal; onPiece(): void },
): Promise<void> => {
  for await (const piece of options.toGemini ? asGemini(answer) : asItIs(answer)) {
    options.onPiece()
    if (piece.length > 0 && !response.write(piece)) await drained(response, options.stalledSeconds, options.signal)
  }
}
