import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import { type CollectionSettings, readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { FoundPlace } from '../../model/collections/identity.ts'
import type { OutgoingCall } from '../../model/gateway/chat.ts'
import { isName } from '../../model/names.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, orNull, query, text } from '../database/table.ts'
import { makeSpentOnRun, makeSpentToday, needsPrice, requireBudget, requireRunBudget } from './budget.ts'

const findPlaces = query(
  'find_called_places',
  { id: bigint, name: text, payer: bigint, settings: orNull(text), environment_id: orNull(bigint), key: text },
  `select id, name, payer, settings, environment_id, lower(name) as key from collections
       where lower(name) = any($1) or id = any($2)`,
  (names: string[], ids: number[]) => [[...new Set(names)], [...new Set(ids)]],
)

/**
 * Finds a collection by name (case-insensitive) or id, with its environment version. Concurrent lookups share one
 * query.
 */
export const makePlaceFinder = (database: Database): ((of: string | number) => Promise<FoundPlace | undefined>) => {
  const find = batched<string | number, FoundPlace | undefined>(async (asked) => {
    const names = asked.filter((of) => typeof of === 'string')
    const ids = asked.filter((of) => typeof of === 'number')
    const rows = await findPlaces(database, names, ids)
    const places = rows.map(({ key, settings, ...row }) => ({
      key,
      place: { ...row, settings: readCollectionSettings(settings) },
    }))
    const byName = new Map(places.map(({ key, place }) => [key, place]))
    const byId = new Map(places.map(({ place }) => [place.id, place]))
    return asked.map((of) => (typeof of === 'string' ? byName.get(of) : byId.get(of)))
  })
  return async (of) => {
    if (typeof of === 'number') return find(of)
    return isName(of) ? find(of.toLowerCase()) : undefined
  }
}

/** The caller of a model. */
interface Spender {
  collectionId: number
  settings: Partial<CollectionSettings>
  /** Set when a step of a run makes the call. */
  runKey?: string
}

/** Throws when the collection forbids the call: `address_refused`, `price_unknown` or `budget_exceeded`. */
export type CallGuard = (spender: Spender, call: OutgoingCall) => Promise<void> | undefined

const priceUnknown = ({ provider, model }: OutgoingCall): AppError =>
  new AppError(
    'price_unknown',
    `The price of '${model}' at ${provider} is not known, and the budget is in US dollars`,
    {
      hint: "Set tokens_per_day in the collection's setting budget; it limits models without a known price.",
    },
  )

/** Makes the single check that every model call passes, from steps and from the gateway. */
export const makeCallGuard = (queries: Queries): CallGuard => {
  const spentToday = makeSpentToday(queries)
  const spentOnRun = makeSpentOnRun(queries)
  const check = async ({ collectionId, settings, runKey }: Spender, call: OutgoingCall): Promise<void> => {
    const { allowed_hosts, budget, run_budget } = settings
    // The operator chose the server's own base URLs: collections need not list them.
    if (allowed_hosts && !call.trusted) requireAllowedHost(new URL(call.url), allowed_hosts)
    if (budget) requireBudget(budget, await spentToday(collectionId))
    if (runKey !== undefined && run_budget?.usd != null) requireRunBudget(run_budget.usd, await spentOnRun(runKey))
    if (needsPrice(settings, runKey !== undefined) && !(await call.hasPrice())) throw priceUnknown(call)
  }
  const isLimited = ({ allowed_hosts, budget, run_budget }: Spender['settings']) =>
    allowed_hosts || budget || run_budget
  return (spender, call) => (isLimited(spender.settings) ? check(spender, call) : undefined)
}
