import { timestamp } from '../../lib/time.ts'
import type { SystemState } from '../../model/system.ts'
import type { ProviderCalls, SystemPort } from './system-port.ts'

type Shown = SystemState['providers'][number]

const moment = (ms: number | undefined): string | null => (ms === undefined ? null : timestamp(new Date(ms)))

const shown = (
  { name, keys }: SystemPort['providers'][number],
  calls: ProviderCalls | undefined,
  { holders, lent }: { holders: ReadonlyMap<string, ReadonlySet<number>>; lent: readonly string[] },
): Shown => ({
  name,
  keys: [...keys],
  collections: new Set(keys.flatMap((key) => [...(holders.get(key) ?? [])])).size,
  is_lent: keys.some((key) => lent.includes(key)),
  calls: calls?.calls ?? 0,
  failures: calls?.failures ?? 0,
  last_answer_at: moment(calls?.lastAnswerMs),
  last_failure: calls?.lastFailure
    ? { at: timestamp(new Date(calls.lastFailure.ms)), reason: calls.lastFailure.reason }
    : null,
})

/** Providers that a collection has a key of, whose key is lent, or that were called; the most called first. */
export const shownProviders = (
  { providers, health, lentKeys }: Pick<SystemPort, 'providers' | 'health' | 'lentKeys'>,
  holders: ReadonlyMap<string, ReadonlySet<number>>,
): Shown[] => {
  const called = new Map(health().map((one) => [one.name, one]))
  const known = new Set(providers.map(({ name }) => name))
  const others = [...called.keys()].filter((name) => !known.has(name)).map((name) => ({ name, keys: [] }))
  return [...providers, ...others]
    .map((one) => shown(one, called.get(one.name), { holders, lent: lentKeys }))
    .filter(({ collections, is_lent: isLent, calls }) => collections > 0 || isLent || calls > 0)
    .sort((left, right) => right.calls - left.calls || right.collections - left.collections)
}
