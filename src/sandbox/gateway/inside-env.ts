import { inside } from '../../model/runbooks/sandbox.ts'
import { type GatewayProvider, gatewayProviders } from './models/endpoints.ts'

interface Names {
  /** Variables in which agents and SDKs look for the key. */
  keys: readonly string[]
  /** Variables in which they look for the base URL, with the path that each expects at its end. */
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
    // Replicate's Python package expects no path, others the whole path.
    urls: { REPLICATE_BASE_URL: '/v1', REPLICATE_API_BASE: '' },
  },
}

/** Providers that every runbook may call: runbooks use them for images, videos and embeddings. */
const forEverybody: ReadonlySet<GatewayProvider> = new Set(['openai', 'google', 'replicate'])

/** The providers that a runbook may call: its agent's, the common ones, and those whose key it declares. */
export const providersFor = (main: GatewayProvider, declared: readonly string[]): GatewayProvider[] =>
  gatewayProviders.filter((one) => {
    if (one === main || forEverybody.has(one)) return true
    return one !== 'scripted' && names[one].keys.some((key) => declared.includes(key))
  })

/** Addresses that are reached without a proxy. */
const direct = '127.0.0.1,localhost,::1'

/** The variables by which programs find the proxy of their sandbox. */
export const proxyEnv = (): Record<string, string> => ({
  HTTP_PROXY: inside.gatewayUrl,
  HTTPS_PROXY: inside.gatewayUrl,
  http_proxy: inside.gatewayUrl,
  https_proxy: inside.gatewayUrl,
  NO_PROXY: direct,
  no_proxy: direct,
})

/** The variables of a sandbox: a key and a base URL for each provider, and the proxy. */
export const insideEnv = (providers: readonly GatewayProvider[], token: string): Record<string, string> => {
  const url = inside.gatewayUrl
  const env: Record<string, string> = {
    JETTY_GATEWAY_URL: url,
    JETTY_GATEWAY_TOKEN: token,
    ...proxyEnv(),
  }
  for (const provider of providers) {
    if (provider === 'scripted') continue
    for (const key of names[provider].keys) env[key] = token
    for (const [variable, end] of Object.entries(names[provider].urls)) env[variable] = `${url}/${provider}${end}`
  }
  return env
}
