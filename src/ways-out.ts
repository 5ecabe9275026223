/** What leads out of the process, as the settings have it: the network for steps, and the providers of models. */
import type { Dispatcher } from 'undici'
import type { Fetch, FetcherOptions } from './lib/net/net.ts'
import type { Open } from './lib/net/open.ts'
import type { Settings } from './lib/settings/config.ts'
import type { LentKeys } from './model/collections/trial.ts'
import { makeModels } from './providers/models/models.ts'

/** A way out of the process. */
export interface WayOut {
  fetch: Fetch
  /** For answers that are read while they come, or not at all. */
  open: Open
  /** What it sends with, for those who pass bytes on. */
  agent(): Promise<Dispatcher>
}

/** The guarded way out, loaded when it is first needed: the HTTP client takes 100 ms that recovery would wait for. */
export const lazyWayOut = (
  options: Omit<FetcherOptions, 'allowPrivateNetwork' | 'agent'> & { allowPrivateNetwork: string[] },
): WayOut => {
  let loading: Promise<{ agent: Dispatcher; fetch: Fetch; open: Open }> | undefined
  const load = async () => {
    const { makeFetcher, makeGuardedAgent, parseAllowRules } = await import('./lib/net/net.ts')
    const { makeOpener } = await import('./lib/net/open.ts')
    const checked = { ...options, allowPrivateNetwork: parseAllowRules(options.allowPrivateNetwork) }
    const agent = makeGuardedAgent(checked)
    return { agent, fetch: makeFetcher({ ...checked, agent }), open: makeOpener(agent) }
  }
  const loaded = () => {
    loading ??= load()
    return loading
  }
  return {
    fetch: async (url, request) => (await loaded()).fetch(url, request),
    open: async (url, request) => (await loaded()).open(url, request),
    agent: async () => (await loaded()).agent,
  }
}

/** Who answers model calls. A base URL that the server was started with is trusted: it alone may be private. */
export const modelsFor = (settings: Settings, lentKeys: LentKeys, guardedPorts: readonly number[]) => {
  const serverUrls = new Map([
    ['OPENAI_BASE_URL', settings.openaiBaseUrl],
    ['ANTHROPIC_BASE_URL', settings.anthropicBaseUrl],
    ['GEMINI_BASE_URL', settings.geminiBaseUrl],
    ['OPENROUTER_BASE_URL', settings.openrouterBaseUrl],
    ['REPLICATE_BASE_URL', settings.replicateBaseUrl],
  ])
  const trusted = [...serverUrls.values()]
    .filter((url) => url !== undefined)
    .map((text) => new URL(text))
    .map(({ hostname, port, protocol }) => `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`)
  const limits = { maxBytes: settings.maxFetchBytes, connectTimeoutSeconds: settings.modelConnectSeconds, guardedPorts }
  const guarded = lazyWayOut({ allowPrivateNetwork: settings.allowPrivateNetwork, ...limits })
  const toServers = lazyWayOut({ allowPrivateNetwork: trusted, ...limits })
  return makeModels({
    fetch: guarded.fetch,
    trustedFetch: toServers.fetch,
    agent: (isTrusted) => (isTrusted ? toServers : guarded).agent(),
    serverUrl: (variable) => serverUrls.get(variable),
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
