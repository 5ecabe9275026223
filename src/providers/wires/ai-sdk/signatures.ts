import type {
  JSONObject,
  LanguageModelV3ReasoningPart,
  SharedV3ProviderMetadata,
  SharedV3ProviderOptions,
} from '@ai-sdk/provider'
import { isObject } from '../../../lib/json/json-object.ts'
import type { Dialect, SdkCall } from './dialect.ts'

/**
 * Signed reasoning. Reasoning models sign it and need both back with the next turn. OpenAI's format has no member for
 * them, so they are where OpenRouter (`reasoning_details`) and Google (`extra_content.google`) put them.
 */
interface ReasoningDetail {
  type: 'reasoning.text' | 'reasoning.encrypted'
  text?: string
  signature?: string
  data?: string
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const metadataOf = (metadata: SharedV3ProviderMetadata | undefined): JSONObject => {
  const [first] = Object.values(metadata ?? {})
  return first ?? {}
}

/** The signature of a thought, or the encrypted thought. */
export const detailsOf = (thought: string, metadata: SharedV3ProviderMetadata | undefined): ReasoningDetail[] => {
  const { signature, redactedData, redactedContent } = metadataOf(metadata)
  const data = text(redactedData) ?? text(redactedContent)
  if (data !== undefined) return [{ type: 'reasoning.encrypted', data }]
  const signed = text(signature)
  return signed === undefined ? [] : [{ type: 'reasoning.text', text: thought, signature: signed }]
}

/** Reads a signed thought that a client returns. */
export const readSignature = (
  detail: unknown,
  { dialect }: { dialect: Pick<Dialect, 'namespace' | 'encryptedMember'> },
): LanguageModelV3ReasoningPart[] => {
  if (!isObject(detail)) return []
  const { namespace, encryptedMember = 'redactedData' } = dialect
  const part = (thought: string, signed: Record<string, string>): LanguageModelV3ReasoningPart[] => [
    { type: 'reasoning', text: thought, providerOptions: { [namespace]: signed } },
  ]
  const data = text(detail.data)
  const signature = text(detail.signature)
  if (data !== undefined) return part('', { [encryptedMember]: data })
  return signature === undefined ? [] : part(text(detail.text) ?? '', { signature })
}

/** Gemini's signature of a tool call. */
export const thoughtSignatureOf = (
  metadata: SharedV3ProviderMetadata | undefined,
): { extra_content?: { google: { thought_signature: string } } } => {
  const signature = text(metadataOf(metadata).thoughtSignature)
  return signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } }
}

/** Reads that signature when a client returns it. */
export const readThoughtSignature = (
  toolCall: Record<string, unknown>,
  { dialect }: Pick<SdkCall, 'dialect'>,
): { providerOptions?: SharedV3ProviderOptions } => {
  const { extra_content: extra } = toolCall
  const google = isObject(extra) && isObject(extra.google) ? extra.google : {}
  const signature = text(google.thought_signature)
  return signature === undefined ? {} : { providerOptions: { [dialect.namespace]: { thoughtSignature: signature } } }
}
