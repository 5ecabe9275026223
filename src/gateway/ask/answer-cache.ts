import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { now } from '../../lib/time.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { Target } from '../../providers/provider.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { formatOf } from '../../providers/upstream/formats/formats.ts'
import { type FrameStream, makeFrameCutter } from '../../providers/upstream/frames/sse.ts'
import type { AnswerCache, CachedAnswer, CacheKey } from '../../store/calls/answer-cache.ts'
import type { FinishedCall } from '../record/finished-call.ts'

/** Headers that may change the answer to the same body. */
const asking = ['anthropic-beta', 'anthropic-version', 'openai-beta']

/**
 * The cache key of a request: the bytes that go to the model (`sent`, without the members meant for this server), the
 * headers that may change the answer, and the address. The provider's key is not part of it: every caller of the
 * collection may have the answer.
 */
export const cacheHash = (
  shape: Shape,
  { provider, model, url }: Target,
  sent: Buffer,
  headers: IncomingHttpHeaders,
): string => {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([shape, provider.id, model, url, asking.map((name) => headers[name] ?? null)]))
  return hash.update(sent).digest('hex')
}

/** Joins the strings of streamed events by their paths: a word may be split over two events. */
const joinedStrings = (data: readonly string[]): string[] => {
  const joined = new Map<string, string>()
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'string') joined.set(path, (joined.get(path) ?? '') + value)
    else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) walk(inner, `${path}/${name}`)
    }
  }
  for (const event of data) walk(JSON.parse(event), '')
  return [...joined.values()]
}

/** Reads the name of an event from its data. Throws if the name would break the line that it is written to. */
const eventName = (text: string): string => {
  const { type } = JSON.parse(text) as { type?: unknown }
  if (typeof type === 'string' && /^[\w.-]+$/.test(type)) return type
  throw new Error('An event without a name')
}

/** The stream as its client reads it: OpenAI's chats and completions end with `[DONE]`, Google's with its last chunk, the other formats name each event. */
const streamOf = (shape: Shape, data: readonly string[]): string => {
  const dataLines = (text: string) => `data: ${text.replaceAll('\n', '\ndata: ')}\n\n`
  if (shape === 'gemini') return data.map(dataLines).join('')
  if (shape === 'chat' || shape === 'completions') return [...data, '[DONE]'].map(dataLines).join('')
  return data.map((text) => `event: ${eventName(text)}\n${dataLines(text)}`).join('')
}

const isWhole = ({ status, httpStatus, answer, cached }: FinishedCall): boolean =>
  status === 'completed' && !cached && answer?.truncated === false && (httpStatus === null || httpStatus === 200)

const contentOf = ({ shape, answer, scrub }: FinishedCall): Pick<CachedAnswer, 'contentType' | 'body'> | undefined => {
  if (!answer || answer.kind === 'bytes') return undefined
  const isStream = answer.kind === 'events'
  const texts = isStream ? joinedStrings(answer.data) : [answer.bytes.toString()]
  if (texts.some((text) => scrub.text(text) !== text)) return undefined
  return isStream
    ? { contentType: 'text/event-stream', body: Buffer.from(streamOf(shape, answer.data)) }
    : { contentType: 'application/json', body: answer.bytes }
}

/**
 * The answer of a call as the cache keeps it. Undefined for a partial or failed answer, for sounds and transcripts, and for one that holds a secret of
 * the environment, which is never stored.
 */
export const answerToKeep = (call: FinishedCall): CachedAnswer | undefined => {
  if (!isWhole(call) || call.provider === null || formatOf[call.shape].hasPlainAnswers) return undefined
  try {
    const content = contentOf(call)
    return content && { provider: call.provider.id, model: call.model, ...content }
  } catch {
    return undefined // an event that is not JSON or has no name
  }
}

/** Stores the answer of a call whose client wants it cached. A failure to store it is ignored. */
export const keepAnswer = async (cache: AnswerCache, key: CacheKey | undefined, call: FinishedCall): Promise<void> => {
  const answer = key && answerToKeep(call)
  if (answer) await cache.keep(key, answer).catch(() => {})
}

/** A cached answer as if it had just arrived. */
export const replayed = ({ contentType, body }: CachedAnswer): UpstreamAnswer => {
  const given = { status: 200, headers: { 'content-type': contentType }, firstByteMs: now() }
  if (contentType !== 'text/event-stream') return { ...given, kind: 'whole', bytes: body }
  const source: FrameStream = {
    readTo(sink) {
      sink.take(makeFrameCutter(body.length).push(body))
      sink.end()
    },
    pause() {},
    resume() {},
    abort() {},
  }
  return { ...given, kind: 'events', source }
}
