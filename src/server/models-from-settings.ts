import type { Settings } from '../lib/settings/config.ts'
import type { LentKeys } from '../model/collections/trial.ts'
import { makeModels } from '../providers/models/models.ts'
import type { Models } from '../providers/provider.ts'
import { makeOutboundNetwork } from './outbound-network.ts'

/** The base URLs of providers that the operator has set, by the name of their setting. */
export const providerUrls = (settings: Settings): ReadonlyMap<string, string | undefined> =>
  new Map([
    ['OPENAI_BASE_URL', settings.openaiBaseUrl],
    ['ANTHROPIC_BASE_URL', settings.anthropicBaseUrl],
    ['GEMINI_BASE_URL', settings.geminiBaseUrl],
    ['OPENROUTER_BASE_URL', settings.openrouterBaseUrl],
    ['COHERE_BASE_URL', settings.cohereBaseUrl],
    ['VOYAGE_BASE_URL', settings.voyageBaseUrl],
    ['REPLICATE_BASE_URL', settings.replicateBaseUrl],
  ])

/** `host:port` of a URL that the operator has set: it may be private. */
export const addressOf = (url: string): string => {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

const addressesOf = (urls: ReadonlyMap<string, string | undefined>): string[] =>
  [...urls.values()].filter((url) => url !== undefined).map(addressOf)

/** Makes the calls to model providers. Base URLs of the operator are trusted: only they may be private addresses. */
export const modelsFromSettings = (settings: Settings, lentKeys: LentKeys, guardedPorts: readonly number[]): Models => {
  const urls = providerUrls(settings)
  const limits = { maxBytes: settings.maxFetchBytes, connectTimeoutSeconds: settings.modelConnectSeconds, guardedPorts }
  const guarded = makeOutboundNetwork({ allowPrivateNetwork: settings.allowPrivateNetwork, ...limits })
  const trusted = makeOutboundNetwork({ allowPrivateNetwork: addressesOf(urls), ...limits })
  return makeModels({
    fetch: guarded.fetch,
    trustedFetch: trusted.fetch,
    agent: (isTrusted) => (isTrusted ? trusted : guarded).agent(),
    serverUrl: (variable) => urls.get(variable),
    lentKeys: lentKeys.value,
    keptSeconds: settings.modelListSeconds,
    limits: {
      tries: settings.modelTries,
      firstByteSeconds: settings.modelFirstByteSeconds,
      idleSeconds: settings.modelIdleSeconds,
      maxBytes: settings.maxFetchBytes,
      mediaFiles: settings.mediaFiles,
    },
  })
}
