import { AppError } from '../../lib/errors.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import type { OpenAnswer } from '../../lib/net/open.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { Target, WireCall } from '../provider.ts'
import { errorInside, refusal, unreadable } from '../upstream/errors.ts'
import { makeAwsMessageCutter } from '../upstream/frames/aws-events.ts'
import { type Frame, lastFrame, makeFrameCutter } from '../upstream/frames/sse.ts'

/** Posts a JSON body to the provider of a call. The key goes into the header and nowhere else. */
export const post = (call: WireCall, url: string, body: unknown, accept: string): Promise<OpenAnswer> =>
  call.open(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, ...call.headers },
    body: JSON.stringify(body),
  })

/** Reads an answer to its end as text. */
export const answerText = async (answer: OpenAnswer): Promise<string> => (await readWhole(answer.body)).toString('utf8')

/** Maximum bytes of one event: an image in base64 is one event. */
const longestEvent = 32 * 1024 * 1024

const tooLongEvent = ({ provider }: Target): AppError =>
  new AppError('upstream_failed', `${provider.name} sent an event of more than ${byteSize(longestEvent)}`)

/** Yields the server-sent events of an answer whole, however the network split them. */
export async function* framesIn(answer: OpenAnswer, target: Target): AsyncGenerator<Frame> {
  const cutter = makeFrameCutter(longestEvent)
  for await (const part of answer.body) {
    for (const frame of cutter.push(Buffer.from(part.buffer, part.byteOffset, part.byteLength))) {
      if (frame.isPiece) throw tooLongEvent(target)
      yield frame
    }
  }
  const last = lastFrame(cutter.rest())
  if (last) yield last
}

/** Yields the messages of an answer in AWS's event stream whole; what is cut off at the end comes last. */
export async function* awsMessagesIn(answer: OpenAnswer, target: Target): AsyncGenerator<Buffer> {
  const cutter = makeAwsMessageCutter(longestEvent)
  try {
    for await (const part of answer.body) yield* cutter.push(part)
  } catch (error) {
    throw error instanceof RangeError ? tooLongEvent(target) : error
  }
  yield cutter.rest()
}

export const isSuccess = ({ status }: OpenAnswer): boolean => status >= 200 && status <= 299

/** Reads the JSON of an answer that must be a `what`. Throws for a refusal and for anything else. */
export const jsonOf = async <T>(
  target: Target,
  answer: OpenAnswer,
  what: string,
  isOne: (body: unknown) => body is T,
): Promise<T> => {
  const text = await answerText(answer)
  if (!isSuccess(answer)) throw refusal(target, answer.status, text, answer.headers)
  const body = parsedJson(text)
  const status = errorInside(body)
  if (status !== undefined) throw refusal(target, status, text, answer.headers)
  if (!isOne(body)) throw unreadable(target, what, { status: answer.status, text, headers: answer.headers })
  return body
}
