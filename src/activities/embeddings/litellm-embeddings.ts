import { z } from 'zod'
import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { modelUsageSchema } from '../../model/gateway/chat.ts'
import type { EmbeddingAnswer } from '../../model/gateway/embedding.ts'
import { totalCost, totalUsage } from '../../model/gateway/model-totals.ts'
import { providerParameters } from '../../model/gateway/provider-parameters.ts'
import { activity } from '../activity.ts'

/** Batch size that every provider accepts. */
const textsInCall = 96
const callsAtATime = 4

const batchesOf = (texts: string[]): string[][] =>
  Array.from({ length: Math.ceil(texts.length / textsInCall) }, (_, at) =>
    texts.slice(at * textsInCall, (at + 1) * textsInCall),
  )

const checkTexts = (texts: string[]): void => {
  const empty = texts.findIndex((text) => text.trim() === '')
  if (texts.length > 0 && empty < 0) return
  const what = texts.length === 0 ? 'an empty list' : `empty at index ${empty}`
  throw new AppError('parameter_invalid', `litellm_embeddings: the parameter input is ${what}`, {
    hint: 'Set input to a text, or a list of texts that are not empty.',
  })
}

/**
 * Checks that there is one vector for each text, all of one length: otherwise vectors would be assigned to the wrong
 * texts.
 */
const checkVectors = ({ embeddings, provider }: EmbeddingAnswer, texts: string[], length: number): void => {
  if (embeddings.length === texts.length && embeddings.every((vector) => vector.length === length)) return
  throw new AppError(
    'upstream_failed',
    `${provider} returned ${embeddings.length} vectors for ${texts.length} texts, or vectors of different lengths`,
  )
}

/** Computes embedding vectors of texts. */
export const litellmEmbeddings = activity({
  name: 'litellm_embeddings',
  category: 'models',
  lenient: true,
  asks: { kind: 'embeddings' },
  description: 'Converts texts to vectors with an embedding model of any provider.',
  parameters: z.object({
    model: z
      .string()
      .min(1)
      .default('text-embedding-3-small')
      .describe('Name of the model, such as text-embedding-3-small or mistral/mistral-embed.'),
    input: z.union([z.string(), z.array(z.string())]).describe('A text, or a list of texts.'),
    dimensions: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('Length of the vectors, for models that support a choice.'),
    ...providerParameters,
  }),
  outputs: z.object({
    embeddings: z.array(z.array(z.number())).describe('A vector for each text, in the same order.'),
    dimensions: z.number().int().describe('Length of the vectors.'),
    model: z.string().describe('The model, as its provider names it.'),
    provider: z.string().describe('The provider.'),
    usage: modelUsageSchema.nullable().describe('Tokens of all calls together; null if the provider reports none.'),
    cost_usd: z.number().nullable().describe('Cost of all calls together in US dollars; null if it is not known.'),
  }),
  example: { activity: 'litellm_embeddings', model: 'text-embedding-3-small', input_path: 'init_params.texts' },
  gotchas: [
    'A single text returns a list of one vector: embeddings[0].',
    'A long list is sent in several calls of 96 texts; a failed call fails the step.',
    'Keys and errors work as in litellm_chat.',
  ],
  secret: ['api_key'],
  async run({ model, input, dimensions, model_provider: provider, api_key: key }, context) {
    const texts = [input].flat()
    checkTexts(texts)
    const answers = await atATime(callsAtATime, batchesOf(texts), async (batch) => {
      const request = { model, input: batch, ...(dimensions === undefined ? {} : { dimensions }) }
      const answer = await context.models.embed(request, { provider, key })
      checkVectors(answer, batch, answer.embeddings[0]?.length ?? 0)
      return answer
    })
    const [first] = answers as [EmbeddingAnswer, ...EmbeddingAnswer[]]
    for (const warning of new Set(answers.flatMap(({ warnings }) => warnings))) context.warn(warning)
    return {
      embeddings: answers.flatMap(({ embeddings }) => embeddings),
      dimensions: first.embeddings[0]?.length ?? 0,
      model: first.model,
      provider: first.provider,
      usage: totalUsage(answers.map(({ usage }) => usage)),
      cost_usd: totalCost(answers.map(({ cost_usd }) => cost_usd)),
    }
  },
})
