import type { LanguageModelV3, LanguageModelV3CallOptions } from '@ai-sdk/provider'
import type { ChatRequest } from '../../../model/gateway/chat.ts'
import type { WireCall, WireProtocol } from '../../provider.ts'
import { impossible } from '../../upstream/errors.ts'
import { primed } from '../primed.ts'
import { sentencesOf } from './answer-parts.ts'
import type { Dialect, Package, SdkCall } from './dialect.ts'
import { asAppError } from './errors.ts'
import { packageFor } from './packages.ts'
import { toChunks } from './to-chunks.ts'
import { toCompletion } from './to-completion.ts'
import { imagesFromChat, imagesFromModel } from './to-images.ts'
import { toOptions } from './to-options.ts'
import { toPrompt } from './to-prompt.ts'
import { toVectors } from './to-vectors.ts'

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
