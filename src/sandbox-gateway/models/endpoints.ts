import type { ModelProvider } from '../../model/runbooks/runbook.ts'

/** Whoever can be asked from inside; `replicate` has no agent of its own. */
export type GatewayProvider = ModelProvider | 'replicate' | 'scripted'

/** In which language a request and its answer are, as far as somebody here reads them. */
export type Language =
  | 'chat'
  | 'responses'
  | 'messages'
  | 'gemini'
  /** Of Bedrock: in the words of the model's maker, and in its own. */
  | 'invoke'
  | 'converse'
  /** Of Replicate. */
  | 'prediction'
  /** Nothing that counts tokens in it. */
  | 'other'

/** Something that a provider is asked for. What is not listed here is not passed on: a key can do more than ask models. */
export interface Endpoint {
  provider: GatewayProvider
  method: 'GET' | 'POST'
  /** Behind the base URL of the provider. */
  path: string
  language: Language
  /** A model works for it: it is metered, and counts towards the budgets. */
  isCall: boolean
  /** Where the name of the model does not stand in the body. */
  model?: string
  /** It is asked as Gemini, of a provider that is asked in a chat. */
  asGemini?: GeminiMethod
}

export type GeminiMethod = 'generateContent' | 'streamGenerateContent' | 'countTokens'

interface Row {
  method: 'GET' | 'POST'
  /** Of the path behind the prefix of the provider; the group `path` is what stands behind its base URL. */
  path: RegExp
  language: Language
  isFree?: true
  asGemini?: GeminiMethod
}

const asked = (path: RegExp, language: Language): Row => ({ method: 'POST', path, language })
const free = (method: Row['method'], path: RegExp, language: Language): Row => ({
  method,
  path,
  language,
  isFree: true,
})

// Names of models may have slashes and colons; what they may not have could lead to another path.
const name = '[\\w.:@-]+'
const at = (pattern: string): RegExp => new RegExp(`^${pattern.replaceAll('NAME', name)}$`)

const asGemini = (method: GeminiMethod): Row => ({
  ...asked(at(`/v1(?:beta|alpha)?/models/(?<model>NAME(?:/NAME)?):${method}`), 'gemini'),
  asGemini: method,
})

const rows: Record<GatewayProvider, readonly Row[]> = {
  anthropic: [
    asked(at('(?<path>/v1/messages)'), 'messages'),
    free('POST', at('(?<path>/v1/messages/count_tokens)'), 'messages'),
    free('GET', at('(?<path>/v1/models(?:/NAME)?)'), 'messages'),
  ],
  openai: [
    asked(at('/v1(?<path>/chat/completions)'), 'chat'),
    asked(at('/v1(?<path>/responses(?:/compact)?)'), 'responses'),
    asked(at('/v1(?<path>/(?:completions|embeddings))'), 'chat'),
    asked(
      at('/v1(?<path>/(?:images/generations|images/edits|audio/speech|audio/transcriptions|audio/translations))'),
      'other',
    ),
    free('POST', at('/v1(?<path>/(?:moderations|responses/input_tokens))'), 'responses'),
    free('GET', at('/v1(?<path>/models(?:/NAME)?)'), 'responses'),
  ],
  google: [
    asked(
      at('/v1(?:beta|alpha)?(?<path>/models/(?<model>NAME):(?:generateContent|streamGenerateContent|embedContent))'),
      'gemini',
    ),
    asked(at('/v1(?:beta|alpha)?(?<path>/models/(?<model>NAME):(?:batchEmbedContents|predict))'), 'gemini'),
    free('POST', at('/v1(?:beta|alpha)?(?<path>/models/(?<model>NAME):countTokens)'), 'gemini'),
    free('GET', at('/v1(?:beta|alpha)?(?<path>/models(?:/NAME)?)'), 'gemini'),
  ],
  openrouter: [
    asked(at('(?:/api)?/v1(?<path>/chat/completions)'), 'chat'),
    asked(at('(?:/api)?/v1(?<path>/responses)'), 'responses'),
    asked(at('(?:/api)?/v1(?<path>/messages)'), 'messages'),
    asked(at('(?:/api)?/v1(?<path>/(?:completions|embeddings))'), 'chat'),
    free('GET', at('(?:/api)?/v1(?<path>/models(?:/NAME)*)'), 'chat'),
    asGemini('generateContent'),
    asGemini('streamGenerateContent'),
    { ...asGemini('countTokens'), isFree: true },
  ],
  bedrock: [
    asked(at('(?<path>/model/(?<model>[\\w.:@%+-]+)/(?:invoke|invoke-with-response-stream))'), 'invoke'),
    asked(at('(?<path>/model/(?<model>[\\w.:@%+-]+)/(?:converse|converse-stream))'), 'converse'),
    free('POST', at('(?<path>/model/(?<model>[\\w.:@%+-]+)/count-tokens)'), 'converse'),
  ],
  replicate: [
    asked(at('(?:/v1)?(?<path>/predictions)'), 'prediction'),
    asked(at('(?:/v1)?(?<path>/(?:models|deployments)/(?<model>NAME/NAME)/predictions)'), 'prediction'),
    free('GET', at('(?:/v1)?(?<path>/predictions/NAME)'), 'prediction'),
    free('POST', at('(?:/v1)?(?<path>/predictions/NAME/cancel)'), 'prediction'),
    free('GET', at('(?:/v1)?(?<path>/models/NAME/NAME(?:/versions(?:/NAME)?)?)'), 'prediction'),
    free('POST', at('(?:/v1)?(?<path>/files)'), 'prediction'),
  ],
  scripted: [asked(at('/v1(?<path>/chat/completions)'), 'chat'), free('GET', at('/v1(?<path>/models)'), 'chat')],
}

export const gatewayProviders = Object.keys(rows).filter((one): one is GatewayProvider => Object.hasOwn(rows, one))

/** A path in pieces: whose prefix it has, if any, and what stands behind. */
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

/** Language in which somebody is told that there is no such path. */
export const languageOf = (path: string): Language => {
  const { prefix, rest } = split(path)
  if (prefix === 'anthropic' || /\/messages(?:\/|$)/.test(rest)) return 'messages'
  if (prefix === 'google' || /^\/v1(?:beta|alpha)\//.test(rest)) return 'gemini'
  if (prefix === 'bedrock' || rest.startsWith('/model/')) return 'converse'
  return prefix === 'replicate' ? 'prediction' : 'chat'
}

/**
 * What a path of the inside asks for: `/<provider>/…` of any provider, and without a prefix of the one that the agent asks.
 * Undefined for everything that is not passed on.
 */
export const findEndpoint = (method: string, path: string, main: GatewayProvider): Endpoint | undefined => {
  const { prefix, rest } = split(path)
  const provider = prefix ?? main
  // Scripted models answer those alone who have asked for no other: nobody is to take one for the model that was meant.
  if (provider === 'scripted' && main !== 'scripted') return undefined
  if (/\.\.|%2e/i.test(rest)) return undefined
  for (const row of rows[provider]) {
    const found = row.method === method ? row.path.exec(rest)?.groups : undefined
    if (!found) continue
    return {
      provider,
      method: row.method,
      path: row.asGemini ? '/chat/completions' : (found.path ?? ''),
      language: row.language,
      isCall: !row.isFree,
      ...(found.model === undefined ? {} : { model: decoded(found.model) }),
      ...(row.asGemini && { asGemini: row.asGemini }),
    }
  }
  return undefined
}
