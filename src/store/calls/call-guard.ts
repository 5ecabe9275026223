import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { requireAllowedHost } from '../../lib/net/hosts.ts'
import { type CollectionSettings, readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { FoundPlace } from '../../model/collections/identity.ts'
import type { OutgoingCall } from '../../model/gateway/chat.ts'
import { isName } from '../../model/names.ts'
import type { Database, Queries } from '../database/database.ts'
import { bigint, change, int, orNull, query, text } from '../database/table.ts'
import { makeSpentOnRun, makeSpentToday, needsPrice, requireBudget, requireRunBudget } from './budget.ts'

/** One call of a key; `collectionId` 0 stands for all collections without a limit of their own. */
export interface CountedCall {
  keyId: number
  collectionId: number
}

/** A start in the future means that the clock was set back. */
const isOver = 'abs(extract(epoch from now() - w.started_at)) >= 60'

const count = query(
  'count_calls',
  { key_id: bigint, collection_id: bigint, calls: int, seconds_left: int },
  `insert into call_windows as w (key_id, collection_id, started_at, calls)
       select key_id, collection_id, now(), calls
       from unnest($1::bigint[], $2::bigint[], $3::int[]) n(key_id, collection_id, calls) order by 1, 2
       on conflict (key_id, collection_id) do update set
         started_at = case when ${isOver} then now() else w.started_at end,
         calls = case when ${isOver} then excluded.calls else w.calls + excluded.calls end
       returning key_id, collection_id, calls,
         greatest(1, least(60, ceil(extract(epoch from w.started_at + interval '1 minute' - now()))))::int as seconds_left`,
  (all: (CountedCall & { calls: number })[]) => [
    ...[all.map((one) => one.keyId), all.map((one) => one.collectionId), all.map((one) => one.calls)],
  ],
)

/**
 * Counts calls in one-minute windows that start with their first call, across all processes of a database; concurrent
 * calls share one statement. Returns the call's number in its window and the seconds until the window ends.
 */
export const makeCallCounter = (
  database: Database,
): ((call: CountedCall) => Promise<{ calls: number; secondsLeft: number }>) =>
  batched(async (counted) => {
    const together = new Map<string, CountedCall & { calls: number; shown: number }>()
    const entries = counted.map((call) => {
      const name = `${call.keyId}/${call.collectionId}`
      const entry = together.get(name) ?? { ...call, calls: 0, shown: 0 }
      entry.calls++
      together.set(name, entry)
      return entry
    })
    const rows = await count(database, [...together.values()])
    const windows = new Map(rows.map((row) => [`${row.key_id}/${row.collection_id}`, row]))
    return entries.map((entry) => {
      const window = windows.get(`${entry.keyId}/${entry.collectionId}`) as (typeof rows)[number]
      return { calls: window.calls - entry.calls + ++entry.shown, secondsLeft: window.seconds_left }
    })
  })

/** Deletes old windows. The server calls it periodically. */
export const sweepCallWindows = change(
  'sweep_call_windows',
  // No index: the table has one row for each key and limited collection, and an index would cost every call.
  `delete from call_windows where started_at not between now() - interval '10 minutes' and now() + interval '10 minutes'`,
)

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
