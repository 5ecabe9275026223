import type { EmbeddingModelV3, LanguageModelV3, LanguageModelV3CallOptions } from '@ai-sdk/provider'
import { readWhole } from '../../../lib/memory/byte-blocks.ts'
import type { OpenAnswer } from '../../../lib/net/open.ts'
import type { ChatRequest } from '../../../model/gateway/chat.ts'
import type { EmbeddingRequest } from '../../../model/gateway/embedding.ts'
import type { Embedded, WireCall, WireProtocol } from '../../provider.ts'
import { impossible, unreadable } from '../../upstream/errors.ts'
import { withRetries } from '../../upstream/retry.ts'
import { primed } from '../primed.ts'
import { answerText, awsMessagesIn, framesIn, isSuccess } from '../read-answer.ts'
import { sentencesOf } from './answer-parts.ts'
import { type Dialect, optionsFor, type Package, type SdkCall } from './dialect.ts'
import { asAppError } from './errors.ts'
import { toChunks } from './to-chunks.ts'
import { toCompletion } from './to-completion.ts'
import { imagesFromChat, imagesFromModel } from './to-images.ts'
import { toOptions, toPrompt } from './to-request.ts'

const atOnce = 4

const textsOf = ({ input }: EmbeddingRequest, call: SdkCall): string[] => {
  const texts = typeof input === 'string' ? [input] : input
  if (texts.length === 0) throw impossible(call, 'input has no text', 'Send one text, or several.')
  if (texts.every((one) => typeof one === 'string')) return texts
  throw impossible(call, 'input has numbers of tokens, which are those of OpenAI', 'Send texts.')
}

const slices = <T>(items: T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size))

const known = new Set(['model', 'input', 'dimensions', 'encoding_format'])

/** Embeds texts in as many calls as the provider needs. Vectors are in the order of the texts. */
const toVectors = async (model: EmbeddingModelV3, request: EmbeddingRequest, call: SdkCall): Promise<Embedded> => {
  const most = (await model.maxEmbeddingsPerCall) ?? Number.POSITIVE_INFINITY
  const texts = textsOf(request, call)
  const batches = slices(texts, Math.min(most, texts.length))
  const { dimensions } = request
  const options = optionsFor(call.dialect, dimensions ? call.dialect.vectorDimensions(dimensions) : undefined)
  const embed = async (values: string[]) => {
    try {
      const answer = await model.doEmbed({ values, ...options })
      if (answer.embeddings.length === values.length) return answer
      throw unreadable(call, 'vector of each text', {
        status: 200,
        headers: {},
        text: `${answer.embeddings.length} vectors`,
      })
    } catch (error) {
      throw asAppError(error, call)
    }
  }
  // Each batch is retried alone: the others are paid for.
  const embedded = (values: string[]) => withRetries(() => embed(values), call.limits, call)
  const embeddings: number[][] = []
  const warnings = Object.keys(request)
    .filter((name) => !known.has(name))
    .map((name) => `${name} is not sent`)
  let tokens: number | undefined = 0
  for (const some of slices(batches, atOnce)) {
    for (const answer of await Promise.all(some.map(embedded))) {
      embeddings.push(...answer.embeddings)
      warnings.push(...sentencesOf(answer.warnings))
      tokens = tokens === undefined || answer.usage === undefined ? undefined : tokens + answer.usage.tokens
    }
  }
  return {
    embeddings,
    usage: tokens ? { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens } : null,
    warnings: [...new Set(warnings)],
  }
}

/** Headers of the packages that are replaced: their user agent and placeholders of credentials. */
const notSent = /^(authorization|x-api-key|x-goog-api-key|user-agent)$/
const bodyless = new Set([204, 205, 304])

/** The packages hold the beginning of an event in pieces as small as they arrive, so they get whole ones. */
async function* eventsIn(answer: OpenAnswer, call: WireCall): AsyncGenerator<Uint8Array> {
  if (answer.headers['content-type']?.includes('amazon')) yield* awsMessagesIn(answer, call)
  else for await (const { bytes } of framesIn(answer, call)) yield bytes
}

/** Reads on demand, and closes at once when the rest is not wanted: a generator would wait for its next part. */
const streamOf = (answer: OpenAnswer, call: WireCall): ReadableStream<Uint8Array> => {
  const parts = eventsIn(answer, call)
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await parts.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: () => answer.close(),
    },
    { highWaterMark: 0 },
  )
}

/**
 * Makes the `fetch` of a package. It reaches only the provider of the call, and adds the key itself, so that no error
 * of the package can contain it. If a stream is `expected`, an HTML page is an error: the package would read it as a
 * stream without events.
 */
const fetchFor =
  (call: WireCall, expected: 'stream' | 'body'): typeof fetch =>
  async (input, init) => {
    const named = [...new Headers(init?.headers)].filter(([name]) => !notSent.test(name))
    const answer = await call.open(String(input), {
      method: init?.method ?? 'GET',
      headers: { ...Object.fromEntries(named), ...call.headers },
      ...(typeof init?.body === 'string' ? { body: init.body } : {}),
    })
    const { status, headers } = answer
    if (expected === 'stream' && isSuccess(answer) && !/event-?stream/i.test(headers['content-type'] ?? '')) {
      throw unreadable(call, 'stream', { status, headers, text: await answerText(answer) })
    }
    const isStream = expected === 'stream' && isSuccess(answer)
    const body = isStream ? streamOf(answer, call) : new Uint8Array(await readWhole(answer.body))
    return new Response(bodyless.has(status) ? null : body, { status: status > 599 ? 502 : status, headers })
  }

/**
 * Placeholder for the key. Without one the packages would take a key from the environment of this process, which is not
 * for callers. `fetch` replaces it by the real key.
 */
const apiKey = 'put-in-on-the-way-out'

/** A model name that is part of a path must not lead the path elsewhere. */
const nameInPath = /^[\w-][\w.:@~+-]*(?:\/[\w-][\w.:@~+-]*)*$/

/** Loads the package for a call, with the first call that needs it. */
const packageFor = (call: SdkCall, expected: 'stream' | 'body'): Promise<Package> => {
  if (call.dialect.hasNameInPath && !nameInPath.test(call.model)) {
    const hint = 'It may have letters, digits and .:@~+-_ with single slashes between.'
    throw impossible(call, `'${call.model.slice(0, 200)}' is not the name of a model`, hint)
  }
  return call.dialect.load(call, { apiKey, fetch: fetchFor(call, expected) })
}

interface Prepared {
  model: LanguageModelV3
  options: LanguageModelV3CallOptions
  warnings: string[]
}

const prepare = async (request: ChatRequest, call: SdkCall, expected: 'stream' | 'body'): Promise<Prepared> => {
  const model = (await packageFor(call, expected)).chat(call.model)
  const warnings: string[] = []
  const reading = {
    call,
    supportedUrls: await model.supportedUrls,
    warn: (sentence: string) => void warnings.push(sentence),
  }
  return {
    model,
    options: { ...toOptions(request, reading), prompt: await toPrompt(request, reading) },
    warnings,
  }
}

/** Runs the work of a call; its failures become errors that name the provider. */
const reaching = async <T>(dialect: Dialect, given: WireCall, work: (call: SdkCall) => Promise<T>): Promise<T> => {
  let call = given
  try {
    call = (await dialect.access?.(given)) ?? given
    return await work({ ...call, dialect })
  } catch (error) {
    throw asAppError(error, call)
  }
}

const orRefuse = <K extends 'embedding' | 'image'>(found: Package, kind: K, call: SdkCall): NonNullable<Package[K]> => {
  const make = found[kind]
  if (make) return make
  const what = kind === 'embedding' ? 'embeddings' : 'images'
  throw impossible(call, `it makes no ${what}`, 'Name a model of another provider, such as one of OpenAI or Gemini.')
}

/** Models that answer a chat with pictures. */
const drawsInChat = (model: string): boolean => /gemini|nano-banana/.test(model)

/** Speaks a protocol other than OpenAI's through the package that converts to it. */
export const protocolOf = (dialect: Dialect): WireProtocol => ({
  complete: (request, given) =>
    reaching(dialect, given, async (call) => {
      const { model, options, warnings } = await prepare(request, call, 'body')
      const result = await model.doGenerate(options)
      return { completion: toCompletion(result, call), warnings: [...warnings, ...sentencesOf(result.warnings)] }
    }),
  stream: (request, given) =>
    reaching(dialect, given, async (call) => {
      const { model, options, warnings } = await prepare(request, call, 'stream')
      const { stream } = await model.doStream(options)
      const note = (more: string[]) => void warnings.push(...more)
      return { chunks: await primed(toChunks(stream, call, note)), warnings }
    }),
  embed: (request, given) =>
    reaching(dialect, given, async (call) => {
      const found = await packageFor(call, 'body')
      return toVectors(orRefuse(found, 'embedding', call)(call.model), request, call)
    }),
  draw: (request, given) =>
    reaching(dialect, given, async (call) => {
      const found = await packageFor(call, 'body')
      return drawsInChat(call.model)
        ? imagesFromChat(found.chat(call.model), request, call)
        : imagesFromModel(orRefuse(found, 'image', call)(call.model), request, call)
    }),
})
