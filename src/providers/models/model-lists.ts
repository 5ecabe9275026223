import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { makeLru } from '../../lib/memory/lru.ts'
import type { Fetch } from '../../lib/net/net.ts'
import { joined } from '../address.ts'
import type { Provider, Target } from '../provider.ts'
import { answersCalls } from './model-kinds.ts'

interface ModelListsOptions {
  fetch: Fetch
  trustedFetch: Fetch
  /** Seconds for which a list is cached. 0: no list is requested. */
  keptSeconds: number
}

/** The lists that providers publish of their own models, cached. */
export interface ModelLists {
  /** Names as the provider writes them; undefined if its list is missing or stale. Sends nothing. */
  known(target: Target): readonly string[] | undefined
  /** Refreshes missing and stale lists in parallel. Waits 2 s; a slower list is there the next time. */
  ask(targets: readonly Target[]): Promise<void>
}

interface Kept {
  names: readonly string[] | undefined
  until: number
}

const mostLists = 500
const mostNames = 2000
const longestName = 200
const maxBytes = 8 * 1024 * 1024
/** A provider without a list is not asked again for this long. */
const silentSeconds = 60
const answerSeconds = 10
const patienceMs = 2000

const listSchema = z.object({ data: z.array(z.object({ id: z.string().min(1).max(longestName) })) })

/** The path of a provider's list: OpenAI and Anthropic have it beside their calls. */
const listPath = ({ paths }: Provider): string | undefined =>
  (paths.chat ?? paths.embeddings ?? paths.messages)?.replace(/\/(chat\/completions|embeddings|messages)$/, '/models')

/** Gemini writes `models/gemini-2.0-flash` in its list, and takes it without. */
const nameOf = ({ provider }: Target, id: string): string =>
  provider.id === 'gemini' ? id.replace(/^models\//, '') : id

/** OpenRouter's is public: what needs no key gets none. */
const isPublic = ({ provider }: Target): boolean => provider.id === 'openrouter'

const placeOf = (target: Target): string | undefined => {
  const path = listPath(target.provider)
  return path === undefined ? undefined : joined(target.base_url, path)
}

/** The cache key of a list: its address and the provider's key, hashed. */
const nameOfList = (target: Target, place: string): string =>
  createHash('sha256')
    .update(`${place}\n${isPublic(target) ? '' : (target.key ?? '')}`)
    .digest('base64')

export const makeModelLists = ({ fetch, trustedFetch, keptSeconds }: ModelListsOptions): ModelLists => {
  const lists = makeLru<string, Kept>(mostLists)
  const asking = new Map<string, Promise<void>>()

  const keep = (name: string, names: readonly string[] | undefined): void => {
    const seconds = names === undefined ? Math.min(silentSeconds, keptSeconds) : keptSeconds
    lists.set(name, { names, until: Date.now() + seconds * 1000 })
  }

  const read = async (target: Target, place: string): Promise<readonly string[] | undefined> => {
    try {
      const answer = await (target.trusted ? trustedFetch : fetch)(place, {
        headers: { accept: 'application/json', ...(isPublic(target) ? {} : target.headers) },
        followRedirects: false,
        timeoutSeconds: answerSeconds,
        maxBytes,
      })
      if (answer.status !== 200) return undefined
      const { data } = listSchema.parse(JSON.parse(await answer.text()))
      const names = data.map(({ id }) => nameOf(target, id)).filter((name) => answersCalls(name))
      return [...new Set(names)].slice(0, mostNames)
    } catch {
      return undefined // the price list is used instead
    }
  }

  const ask = (target: Target): Promise<void> | undefined => {
    const place = placeOf(target)
    if (place === undefined) return undefined
    const name = nameOfList(target, place)
    if ((lists.get(name)?.until ?? 0) > Date.now()) return undefined
    const already = asking.get(name)
    if (already) return already
    const asked = read(target, place)
      .then((names) => keep(name, names))
      .finally(() => asking.delete(name))
    asking.set(name, asked)
    return asked
  }

  return {
    known(target) {
      const place = placeOf(target)
      const kept = place === undefined ? undefined : lists.get(nameOfList(target, place))
      return kept && kept.until > Date.now() ? kept.names : undefined
    },
    async ask(targets) {
      if (keptSeconds === 0) return
      const asked = targets.map(ask).filter((one) => one !== undefined)
      if (asked.length === 0) return
      const patience = new AbortController()
      const enough = delay(patienceMs, undefined, { signal: patience.signal, ref: false }).catch(() => {})
      await Promise.race([Promise.all(asked), enough])
      patience.abort()
    },
  }
}
