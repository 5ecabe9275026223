import type { EmbeddingModelV3 } from '@ai-sdk/provider'
import type { EmbeddingRequest } from '../../../model/gateway/embedding.ts'
import type { Embedded } from '../../provider.ts'
import { impossible, unreadable } from '../../upstream/errors.ts'
import { withRetries } from '../../upstream/retry.ts'
import { sentencesOf } from './answer-parts.ts'
import { optionsFor, type SdkCall } from './dialect.ts'
import { asAppError } from './errors.ts'

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
export const toVectors = async (
  model: EmbeddingModelV3,
  request: EmbeddingRequest,
  call: SdkCall,
): Promise<Embedded> => {
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
