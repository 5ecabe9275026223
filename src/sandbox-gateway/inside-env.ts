import { inside } from '../model/runbooks/sandbox.ts'
import { type GatewayProvider, gatewayProviders } from './models/endpoints.ts'

interface Names {
  /** Under which agents and SDKs look for the key. */
  keys: readonly string[]
  /** Under which they look for the base URL, and what each of them expects at its end. */
  urls: Readonly<Record<string, string>>
}

const names: Record<Exclude<GatewayProvider, 'scripted'>, Names> = {
  anthropic: { keys: ['ANTHROPIC_API_KEY'], urls: { ANTHROPIC_BASE_URL: '' } },
  openai: { keys: ['OPENAI_API_KEY'], urls: { OPENAI_BASE_URL: '/v1', OPENAI_API_BASE: '/v1' } },
  google: {
    keys: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENERATIVE_AI_API_KEY'],
    urls: { GOOGLE_GEMINI_BASE_URL: '', GEMINI_BASE_URL: '/v1beta' },
  },
  openrouter: { keys: ['OPENROUTER_API_KEY'], urls: { OPENROUTER_BASE_URL: '/api/v1' } },
  bedrock: {
    keys: ['AWS_BEARER_TOKEN_BEDROCK'],
    urls: { AWS_ENDPOINT_URL_BEDROCK_RUNTIME: '', ANTHROPIC_BEDROCK_BASE_URL: '', BEDROCK_BASE_URL: '' },
  },
  replicate: {
    keys: ['REPLICATE_API_TOKEN', 'REPLICATE_API_KEY'],
    // Its Python package wants none of the path, and others all of it.
    urls: { REPLICATE_BASE_URL: '/v1', REPLICATE_API_BASE: '' },
  },
}

/** Whom every runbook may ask, by what those rely on that are written for the platform: for images, videos, embeddings. */
const forEverybody: ReadonlySet<GatewayProvider> = new Set(['openai', 'google', 'replicate'])

/** Who may be asked by a runbook whose agent asks `main`, and that declares these variables. */
export const providersFor = (main: GatewayProvider, declared: readonly string[]): GatewayProvider[] =>
  gatewayProviders.filter((one) => {
    if (one === main || forEverybody.has(one)) return true
    return one !== 'scripted' && names[one].keys.some((key) => declared.includes(key))
  })

/** Addresses that are asked without a proxy. */
const direct = '127.0.0.1,localhost,::1'

/** The variables by which the inside finds its way out: a key and a base URL of everybody who can be asked, and the proxy. */
export const insideEnv = (providers: readonly GatewayProvider[], token: string): Record<string, string> => {
  const url = inside.gatewayUrl
  const env: Record<string, string> = {
    JETTY_GATEWAY_URL: url,
    JETTY_GATEWAY_TOKEN: token,
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    http_proxy: url,
    https_proxy: url,
    NO_PROXY: direct,
    no_proxy: direct,
  }
  for (const provider of providers) {
    if (provider === 'scripted') continue
    for (const key of names[provider].keys) env[key] = token
    for (const [variable, end] of Object.entries(names[provider].urls)) env[variable] = `${url}/${provider}${end}`
  }
  return env
}
