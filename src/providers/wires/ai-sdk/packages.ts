import type { EmbeddingModelV3, ImageModelV3, LanguageModelV3 } from '@ai-sdk/provider'
import type { Wire } from '../../provider.ts'
import { impossible } from '../refusal.ts'
import type { WireCall } from '../wire.ts'
import { fetchFor } from './fetch.ts'
import { vertexEmbeddings } from './vertex-embeddings.ts'

/** The models of one provider, as the packages have them. What it does not do is absent. */
export interface Package {
  chat(model: string): LanguageModelV3
  embedding?(model: string): EmbeddingModelV3
  image?(model: string): ImageModelV3
}

/**
 * The packages look for keys in the environment of the process if they are given none, and this server's keys are not
 * for its callers. The true one is put into the header on the way out.
 */
const apiKey = 'put-in-on-the-way-out'

/** Anthropic's own clients take the base URL without the version, the package with it. */
const withVersion = (base: string): string => (/\/v\d+$/.test(base) ? base : `${base}/v1`)

/** Where the name of a model stands in the path, it has nothing that could lead the path to something else. */
const nameInPath = /^[\w-][\w.:@~+-]*(?:\/[\w-][\w.:@~+-]*)*$/
const namesInPath: ReadonlySet<Wire> = new Set(['google', 'vertex', 'bedrock'])

const checkName = (call: WireCall): void => {
  if (!namesInPath.has(call.provider.wire) || nameInPath.test(call.model)) return
  const hint = 'It may have letters, digits and .:@~+-_ with single slashes between.'
  throw impossible(call, `'${call.model.slice(0, 200)}' is not the name of a model`, hint)
}

const ofGoogle = async (baseURL: string, fetch: typeof globalThis.fetch, name: string): Promise<Package> => {
  const { createGoogleGenerativeAI } = await import('@ai-sdk/google')
  const google = createGoogleGenerativeAI({ apiKey, baseURL, fetch, name })
  return { chat: google.languageModel, embedding: google.embeddingModel, image: google.image }
}

/** The package for a call; each is loaded when it is first needed. */
export const packageFor = async (call: WireCall, expected: 'stream' | 'body'): Promise<Package> => {
  checkName(call)
  const { base_url: baseURL, provider } = call
  const fetch = fetchFor(call, expected)
  switch (provider.wire) {
    case 'anthropic': {
      const { createAnthropic } = await import('@ai-sdk/anthropic')
      return { chat: createAnthropic({ apiKey, baseURL: withVersion(baseURL), fetch }).languageModel }
    }
    case 'google':
      return ofGoogle(baseURL, fetch, 'google.generative-ai')
    case 'vertex': {
      const google = await ofGoogle(baseURL, fetch, 'google.vertex.chat')
      return { ...google, embedding: (model) => vertexEmbeddings(call, model) }
    }
    case 'bedrock': {
      const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock')
      const bedrock = createAmazonBedrock({ apiKey, baseURL, fetch })
      return {
        chat: bedrock.languageModel,
        embedding: bedrock.embeddingModel,
        image: bedrock.image,
      }
    }
    case 'cohere': {
      const { createCohere } = await import('@ai-sdk/cohere')
      const cohere = createCohere({ apiKey, baseURL, fetch })
      return { chat: cohere.languageModel, embedding: cohere.embeddingModel }
    }
    default:
      throw impossible(call, `no package speaks '${provider.wire}'`, 'Report it: the row of the provider is wrong.')
  }
}
