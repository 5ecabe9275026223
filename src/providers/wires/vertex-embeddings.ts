import type { EmbeddingModelV3 } from '@ai-sdk/provider'
import { isObject } from '../../lib/json/json-object.ts'
import type { WireCall } from '../provider.ts'
import { jsonOf, post } from './read-answer.ts'

interface Predictions {
  predictions: { embeddings: { values: number[]; statistics?: { token_count?: number } } }[]
}

const isPredictions = (body: unknown): body is Predictions =>
  isObject(body) &&
  Array.isArray(body.predictions) &&
  body.predictions.every((one) => isObject(one) && isObject(one.embeddings) && Array.isArray(one.embeddings.values))

/** Embeddings of Vertex AI, which has a call of its own for them that Gemini's package does not know. */
export const vertexEmbeddings = (call: WireCall, modelId: string): EmbeddingModelV3 => ({
  specificationVersion: 'v3',
  provider: 'google.vertex.embedding',
  modelId,
  maxEmbeddingsPerCall: modelId.startsWith('gemini-') ? 1 : 250,
  supportsParallelCalls: true,
  async doEmbed({ values, providerOptions }) {
    const { outputDimensionality } = providerOptions?.google ?? {}
    const answer = await post(
      call,
      `${call.base_url}/models/${encodeURIComponent(modelId)}:predict`,
      {
        instances: values.map((content) => ({ content })),
        parameters: outputDimensionality === undefined ? {} : { outputDimensionality },
      },
      'application/json',
    )
    const { predictions } = await jsonOf(call, answer, 'list of vectors', isPredictions)
    const tokens = predictions.map(({ embeddings }) => embeddings.statistics?.token_count)
    const counted = tokens.every((one) => typeof one === 'number')
    return {
      embeddings: predictions.map(({ embeddings }) => embeddings.values),
      warnings: [],
      ...(counted ? { usage: { tokens: tokens.reduce((sum, one) => sum + one, 0) } } : {}),
    }
  },
})
