import type { ModelProvider } from '../../../model/runbooks/runbook.ts'
import type { AnswerFormat } from '../../../providers/upstream/formats/format.ts'
import {
  converseFormat,
  geminiFormat,
  invokeFormat,
  mediaFormat,
  messagesFormat,
  predictionFormat,
} from '../../../providers/upstream/formats/formats.ts'
import { chatFormat, responsesFormat } from '../../../providers/upstream/formats/openai.ts'

/** A provider that a sandbox may call. */
export type GatewayProvider = ModelProvider | 'replicate' | 'scripted'

/** A request that may be passed on to a provider. Everything else is refused: a key can do more than call models. */
export interface ModelEndpoint {
  provider: GatewayProvider
  method: 'GET' | 'POST'
  /** Relative to the base URL of the provider. */
  path: string
  format: AnswerFormat
  /** Whether it calls a model: such calls are metered, and count towards the budgets. */
  isCall: boolean
  /** The name of the model, if it is in the path. */
  model?: string
  /** Written in Gemini's API, for a provider that is called with chat completions. */
  asGemini?: GeminiMethod
  /** The body may ask for an answer in the background. */
  mayRunInBackground?: true
}

type GeminiMethod = 'generateContent' | 'streamGenerateContent' | 'countTokens'

interface Row {
  method: 'GET' | 'POST'
  /** Matches the path after the provider's prefix; its group `path` is relative to the base URL. */
  path: RegExp
  format: AnswerFormat
  isFree?: true
  asGemini?: GeminiMethod
  mayRunInBackground?: true
}

const asked = (path: RegExp, format: AnswerFormat): Row => ({ method: 'POST', path, format })
const free = (method: Row['method'], path: RegExp, format: AnswerFormat): Row => ({
  method,
  path,
  format,
  isFree: true,
})

// A model name may have slashes and colons, but nothing that could lead to another path.
const name = '[\\w.:@-]+'
const at = (pattern: string): RegExp => new RegExp(`^${pattern.replaceAll('NAME', name)}$`)

const asGemini = (method: GeminiMethod): Row => ({
  ...asked(at(`/v1(?:beta|alpha)?/models/(?<model>NAME(?:/NAME)?):${method}`), geminiFormat),
  asGemini: method,
})

const responses = (path: string): Row => ({ ...asked(at(path), responsesFormat), mayRunInBackground: true })

const rows: Record<GatewayProvider, readonly Row[]> = {
  anthropic: [
    asked(at('(?<path>/v1/messages)'), messagesFormat),
    free('POST', at('(?<path>/v1/messages/count_tokens)'), messagesFormat),
    free('GET', at('(?<path>/v1/models(?:/NAME)?)'), messagesFormat),
  ],
  openai: [
    asked(at('/v1(?<path>/chat/completions)'), chatFormat),
    responses('/v1(?<path>/responses(?:/compact)?)'),
    asked(at('/v1(?<path>/(?:completions|embeddings))'), chatFormat),
    asked(
      at('/v1(?<path>/(?:images/generations|images/edits|audio/speech|audio/transcriptions|audio/translations))'),
      mediaFormat,
    ),
    free('POST', at('/v1(?<path>/(?:moderations|responses/input_tokens))'), responsesFormat),
    free('GET', at('/v1(?<path>/models(?:/NAME)?)'), responsesFormat),
  ],
  google: [
    asked(
      at('/v1(?:beta|alpha)?(?<path>/models/(?<model>NAME):(?:generateContent|streamGenerateContent|embedContent))'),
      geminiFormat,
    ),
    asked(at('/v1(?:beta|alpha)?(?<path>/models/(?<model>NAME):(?:batchEmbedContents|predict))'), geminiFormat),
    free('POST', at('/v1(?:beta|alpha)?(?<path>/models/(?<model>NAME):countTokens)'), geminiFormat),
    free('GET', at('/v1(?:beta|alpha)?(?<path>/models(?:/NAME)?)'), geminiFormat),
  ],
  openrouter: [
    asked(at('(?:/api)?/v1(?<path>/chat/completions)'), chatFormat),
    responses('(?:/api)?/v1(?<path>/responses)'),
    asked(at('(?:/api)?/v1(?<path>/messages)'), messagesFormat),
    asked(at('(?:/api)?/v1(?<path>/(?:completions|embeddings))'), chatFormat),
    free('GET', at('(?:/api)?/v1(?<path>/models(?:/NAME)*)'), chatFormat),
    asGemini('generateContent'),
    asGemini('streamGenerateContent'),
    { ...asGemini('countTokens'), isFree: true },
  ],
  bedrock: [
    asked(at('(?<path>/model/(?<model>[\\w.:@%+-]+)/(?:invoke|invoke-with-response-stream))'), invokeFormat),
    asked(at('(?<path>/model/(?<model>[\\w.:@%+-]+)/(?:converse|converse-stream))'), converseFormat),
    free('POST', at('(?<path>/model/(?<model>[\\w.:@%+-]+)/count-tokens)'), converseFormat),
  ],
  replicate: [
    asked(at('(?:/v1)?(?<path>/predictions)'), predictionFormat),
    asked(at('(?:/v1)?(?<path>/(?:models|deployments)/(?<model>NAME/NAME)/predictions)'), predictionFormat),
    free('GET', at('(?:/v1)?(?<path>/predictions/NAME)'), predictionFormat),
    free('POST', at('(?:/v1)?(?<path>/predictions/NAME/cancel)'), predictionFormat),
    free('GET', at('(?:/v1)?(?<path>/models/NAME/NAME(?:/versions(?:/NAME)?)?)'), predictionFormat),
    free('POST', at('(?:/v1)?(?<path>/files)'), predictionFormat),
  ],
  scripted: [
    asked(at('/v1(?<path>/chat/completions)'), chatFormat),
    free('GET', at('/v1(?<path>/models)'), chatFormat),
  ],
}

export const gatewayProviders = Object.keys(rows).filter((one): one is GatewayProvider => Object.hasOwn(rows, one))

/** Splits a path into the provider that it begins with, if any, and the rest. */
const split = (path: string): { prefix: GatewayProvider | undefined; rest: string } => {
  const prefix = gatewayProviders.find((one) => path.startsWith(`/${one}/`))
  return prefix === undefined ? { prefix, rest: path } : { prefix, rest: path.slice(prefix.length + 1) }
}

const decoded = (model: string): string => {
  try {
    return decodeURIComponent(model)
  } catch {
    return model
  }
}

/** The format of an error for a path that does not exist. */
export const formatFor = (path: string): AnswerFormat => {
  const { prefix, rest } = split(path)
  if (prefix === 'anthropic' || /\/messages(?:\/|$)/.test(rest)) return messagesFormat
  if (prefix === 'google' || /^\/v1(?:beta|alpha)\//.test(rest)) return geminiFormat
  if (prefix === 'bedrock' || rest.startsWith('/model/')) return converseFormat
  return prefix === 'replicate' ? predictionFormat : chatFormat
}

/**
 * Finds the endpoint of a path: `/<provider>/…` for any provider, without a prefix for the agent's own. Undefined for
 * everything that is not passed on.
 */
export const findEndpoint = (method: string, path: string, main: GatewayProvider): ModelEndpoint | undefined => {
  const { prefix, rest } = split(path)
  const provider = prefix ?? main
  // Scripted models answer only agents that were started with them, so that nobody mistakes them for real models.
  if (provider === 'scripted' && main !== 'scripted') return undefined
  if (/\.\.|%2e/i.test(rest)) return undefined
  for (const row of rows[provider]) {
    const found = row.method === method ? row.path.exec(rest)?.groups : undefined
    if (!found) continue
    return {
      provider,
      method: row.method,
      path: row.asGemini ? '/chat/completions' : (found.path ?? ''),
      format: row.format,
      isCall: !row.isFree,
      ...(found.model === undefined ? {} : { model: decoded(found.model) }),
      ...(row.asGemini && { asGemini: row.asGemini }),
      ...(row.mayRunInBackground && { mayRunInBackground: true }),
    }
  }
  return undefined
}
