import type { LanguageModelV3, LanguageModelV3CallOptions } from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import type { ChatRequest } from '../../../model/gateway/chat.ts'
import { primed } from '../primed.ts'
import { impossible } from '../refusal.ts'
import type { WireCall, WireProtocol } from '../wire.ts'
import { sentencesOf } from './answer-parts.ts'
import { asAppError } from './errors.ts'
import { type Package, packageFor } from './packages.ts'
import { toChunks } from './to-chunks.ts'
import { toCompletion } from './to-completion.ts'
import { imagesFrom, imagesFromChat } from './to-images.ts'
import { toOptions } from './to-options.ts'
import { toPrompt } from './to-prompt.ts'
import { toVectors } from './to-vectors.ts'
import { vertexAccess } from './vertex-access.ts'

interface Prepared {
  model: LanguageModelV3
  options: LanguageModelV3CallOptions
  warnings: string[]
}

const prepare = async (request: ChatRequest, call: WireCall, expected: 'stream' | 'body'): Promise<Prepared> => {
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

const wantsUsage = ({ stream_options: options }: ChatRequest): boolean =>
  isObject(options) && options.include_usage === true

/** Does the work with the way to the provider; what fails is told of the provider. */
const reaching = async <T>(given: WireCall, work: (call: WireCall) => Promise<T>): Promise<T> => {
  let call = given
  try {
    if (given.provider.wire === 'vertex') call = await vertexAccess(given)
    return await work(call)
  } catch (error) {
    throw asAppError(error, call)
  }
}

const orRefuse = <K extends 'embedding' | 'image'>(
  found: Package,
  kind: K,
  call: WireCall,
): NonNullable<Package[K]> => {
  const make = found[kind]
  if (make) return make
  const what = kind === 'embedding' ? 'embeddings' : 'images'
  throw impossible(call, `it makes no ${what}`, 'Name a model of another provider, such as one of OpenAI or Gemini.')
}

/** Models that answer a conversation with pictures: they are asked like any other. */
const drawsInChat = (model: string): boolean => /gemini|nano-banana/.test(model)

/** Everybody who speaks another language than OpenAI's, through the packages that know it. */
export const aiSdkWire: WireProtocol = {
  complete: (request, given) =>
    reaching(given, async (call) => {
      const { model, options, warnings } = await prepare(request, call, 'body')
      const result = await model.doGenerate(options)
      return { completion: toCompletion(result, call), warnings: [...warnings, ...sentencesOf(result.warnings)] }
    }),
  stream: (request, given) =>
    reaching(given, async (call) => {
      const { model, options, warnings } = await prepare(request, call, 'stream')
      const { stream } = await model.doStream(options)
      const note = (more: string[]) => void warnings.push(...more)
      return { chunks: await primed(toChunks(stream, call, { withUsage: wantsUsage(request), note })), warnings }
    }),
  embed: (request, given) =>
    reaching(given, async (call) => {
      const found = await packageFor(call, 'body')
      return toVectors(orRefuse(found, 'embedding', call)(call.model), request, call)
    }),
  draw: (request, given) =>
    reaching(given, async (call) => {
      const found = await packageFor(call, 'body')
      return drawsInChat(call.model)
        ? imagesFromChat(found.chat(call.model), request, call)
        : imagesFrom(orRefuse(found, 'image', call)(call.model), request, call)
    }),
}
