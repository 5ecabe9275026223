import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { now } from '../../lib/time.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { Target } from '../../providers/provider.ts'
import type { AnswerCache, CacheKey, KeptAnswer } from '../../store/calls/answer-cache.ts'
import type { FinishedCall } from '../record/finished-call.ts'
import { type FrameSource, makeFrameCutter } from '../relay/frames.ts'
import type { Given } from './ask-native.ts'

/** Headers by which a client asks for another answer to the same body. */
const asking = ['anthropic-beta', 'anthropic-version', 'openai-beta']

/**
 * What a request and its answer belong together by: the bytes that go to the model, what its headers say of them, and
 * where they go. `sent` is the body without what it says to this server. No key is in it: whoever covers the collection
 * may have the answer.
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

/** The strings of streamed events, joined by where they stand: a word may be cut in two by the events it came in. */
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

/** The name of an event as its data has it. Throws for what cannot be one: it would end the line that it stands in. */
const eventName = (text: string): string => {
  const { type } = JSON.parse(text) as { type?: unknown }
  if (typeof type === 'string' && /^[\w.-]+$/.test(type)) return type
  throw new Error('An event without a name')
}

/** The stream as its client reads it; those of OpenAI's chat end in words, and the others name each event. */
const streamOf = (shape: Shape, data: readonly string[]): string => {
  const dataLines = (text: string) => `data: ${text.replaceAll('\n', '\ndata: ')}\n\n`
  if (shape === 'chat') return [...data, '[DONE]'].map(dataLines).join('')
  return data.map((text) => `event: ${eventName(text)}\n${dataLines(text)}`).join('')
}

const isWhole = ({ status, httpStatus, answer, cached }: FinishedCall): boolean =>
  status === 'completed' && !cached && answer?.truncated === false && (httpStatus === null || httpStatus === 200)

const contentOf = ({ shape, answer, scrub }: FinishedCall): Pick<KeptAnswer, 'contentType' | 'body'> | undefined => {
  if (!answer) return undefined
  const isStream = answer.kind === 'events'
  const texts = isStream ? joinedStrings(answer.data) : [answer.bytes.toString()]
  if (texts.some((text) => scrub.text(text) !== text)) return undefined
  return isStream
    ? { contentType: 'text/event-stream', body: Buffer.from(streamOf(shape, answer.data)) }
    : { contentType: 'application/json', body: answer.bytes }
}

/**
 * What of a call may be given again: an answer that was whole and is no failure. Undefined for any other, and for one in
 * which a secret of the environment stands, since nothing is stored in which one does.
 */
export const answerToKeep = (call: FinishedCall): KeptAnswer | undefined => {
  if (!isWhole(call) || call.provider === null) return undefined
  try {
    const content = contentOf(call)
    return content && { provider: call.provider.id, model: call.model, ...content }
  } catch {
    return undefined // an event that is no JSON, or has no name: nobody knows what it is part of
  }
}

/** Keeps the answer of a call whose client wants it kept; whether that succeeds is nothing to the client. */
export const keepAnswer = async (cache: AnswerCache, key: CacheKey | undefined, call: FinishedCall): Promise<void> => {
  const answer = key && answerToKeep(call)
  if (answer) await cache.keep(key, answer).catch(() => {})
}

/** A kept answer as if it had just come. */
export const replayed = ({ contentType, body }: KeptAnswer): Given => {
  const given = { status: 200, headers: { 'content-type': contentType }, firstByteMs: now() }
  if (contentType !== 'text/event-stream') return { ...given, kind: 'whole', bytes: body }
  const source: FrameSource = {
    readTo(sink) {
      sink.frames(makeFrameCutter(body.length).push(body))
      sink.end()
    },
    pause() {},
    resume() {},
    abort() {},
  }
  return { ...given, kind: 'events', source }
}
