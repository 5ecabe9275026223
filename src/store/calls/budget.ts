import { batched } from '../../lib/batch.ts'
import { AppError } from '../../lib/errors.ts'
import { now } from '../../lib/time.ts'
import type { Budget, CollectionSettings } from '../../model/collections/collection-settings.ts'
import type { StartLabel } from '../../model/runs/label.ts'
import type { Queries } from '../database/database.ts'
import { bigint, change, float, listsOf, orNull, query, queryRow, text } from '../database/table.ts'
import { keepLabelDays, lineOf } from '../runs/label-totals.ts'
import { otherShard } from '../runs/totals.ts'

/** Usage of model calls: US dollars (of calls with a known price) and tokens. */
interface UsageToday {
  usd: number
  tokens: number
}

const spentByCollection = query(
  'spent_today',
  { collection_id: bigint, usd: float, tokens: bigint },
  `select collection_id, sum(usd)::float8 as usd, sum(tokens)::bigint as tokens from (
       select collection_id, usd, tokens from spending
       where collection_id = any($1) and day = (now() at time zone 'utc')::date
       union all
       select collection_id, reserved_usd, reserved_tokens from provider_batches
       where collection_id = any($1) and ended_at is null) used group by collection_id`,
  (ids: number[]) => [[...new Set(ids)]],
)

/** Reads a collection's usage of today (UTC), with what open batches have reserved; concurrent reads share one query. */
export const makeSpentToday = (queries: Queries): ((collectionId: number) => Promise<UsageToday>) =>
  batched(async (ids) => {
    const byId = new Map((await spentByCollection(queries, ids)).map((row) => [row.collection_id, row]))
    return ids.map((id) => byId.get(id) ?? { usd: 0, tokens: 0 })
  })

/** Usage of one call; `usd` is null when the price is unknown. */
export interface CallCost {
  collectionId: number
  /** Task of that run; 0 for a gateway call without a record. */
  taskId: number
  /** `provider/model` that was called. */
  model: string
  /** Run whose step made the call; null for a gateway call. */
  runKey: string | null
  usd: number | null
  tokens: number
  /** Labels of a call without a run. Those of a run, or of the nearest run above it, are looked up. */
  labels?: readonly StartLabel[]
}

const modelCharacters = 200

/** Name under which the usage of a model is counted. Calls that an older version left in a file have none. */
export const countedModel = (model = ''): string => model.replaceAll('\0', '').slice(0, modelCharacters)

/** SQL expression: US dollars that a row `r` of runs has spent so far. The statement that ends a run writes it there. */
export const spentOnRun = '(select p.usd::float8 from run_spending p where p.run_id = r.id)'

/** Adds the usage of calls, as `makeSpender` does, in a transaction with what they answer. */
export const spendAll = change(
  'spend_on_calls',
  `with u as materialized (
         select * from unnest($2::bigint[], $3::text[], $4::numeric[], $5::bigint[], $6::bigint[], $7::text[])
           with ordinality u(collection_id, run_id, usd, tokens, task_id, model, at)),
       named as (
         select distinct on (u.at, l.key) u.*, l.key, l.value
         from u cross join lateral (
           select key, value, run_id, number from labels where run_id = any(${lineOf('u.run_id')}) offset 0) l
         order by u.at, l.key, length(l.run_id) desc, l.number),
       given as (select u.*, l.key, l.value from json_to_recordset($8::json) l(at int, key text, value text) join u using (at)),
       spent as (
         insert into run_spending as s (run_id, usd, tokens)
         select run_id, sum(usd), sum(tokens) from u where run_id is not null group by 1 order by 1
         on conflict (run_id) do update set usd = coalesce(s.usd + excluded.usd, s.usd, excluded.usd),
           tokens = coalesce(s.tokens, 0) + excluded.tokens
         returning run_id, s.usd),
       late as materialized (
         select r.id, spent.usd from spent join runs r on r.id = spent.run_id
         where r.ended_at is not null order by r.id for no key update of r),
       corrected as (update runs r set cost_usd = late.usd from late where r.id = late.id),
       ${keepLabelDays(`(
         select collection_id, key, value, (now() at time zone 'utc')::date as day, usd, tokens, 1 as calls, 0 as runs from (
           select collection_id, key, value, usd, tokens from named
           union all select collection_id, key, value, usd, tokens from given) labelled)`)}
       insert into spending as s (collection_id, day, task_id, model, shard, usd, tokens, calls)
       select collection_id, (now() at time zone 'utc')::date, task_id, model collate "C", $1::smallint,
         coalesce(sum(usd), 0), sum(tokens), count(*)
       from u group by 1, 3, 4 order by 1, 3, 4
       on conflict (collection_id, day, task_id, model, shard) do update
         set usd = s.usd + excluded.usd, tokens = s.tokens + excluded.tokens, calls = s.calls + excluded.calls`,
  (costs: CallCost[]) => [
    otherShard(),
    ...listsOf(['collectionId', 'runKey', 'usd'], costs),
    costs.map((one) => Math.round(one.tokens)),
    costs.map((one) => one.taskId),
    costs.map((one) => countedModel(one.model)),
    JSON.stringify(costs.flatMap(({ labels = [] }, at) => labels.map((label) => ({ ...label, at: at + 1 })))),
  ],
)

/**
 * Adds the usage of calls to their collection's day and to their run; resolves once committed, so that a worker that
 * takes over the run continues from it. The step record cannot carry this: an interrupted attempt leaves no record but
 * has cost money. A call that ends after its run, as one that was cancelled may, is added to the run, too. Recorded
 * gateway calls are added by their record; unrecorded ones come here.
 */
export const makeSpender = (queries: Queries): ((cost: CallCost) => Promise<void>) =>
  batched(async (costs) => {
    await spendAll(queries, costs)
    return costs.map(() => undefined)
  })

const spentByRun = query(
  'spent_on_runs',
  { run_id: text, usd: orNull(float) },
  'select run_id, usd::float8 as usd from run_spending where run_id = any($1)',
  (keys: string[]) => [[...new Set(keys)]],
)

/** Reads the cost of a run so far, in US dollars. */
export const makeSpentOnRun = (queries: Queries): ((runKey: string) => Promise<number>) =>
  batched(async (keys) => {
    const byKey = new Map((await spentByRun(queries, keys)).map((row) => [row.run_id, row.usd]))
    return keys.map((key) => byKey.get(key) ?? 0)
  })

const usageOfRuns = queryRow(
  'run_usage',
  { usd: orNull(float), tokens: orNull(bigint) },
  `select sum(usd)::float8 as usd, sum(tokens)::bigint as tokens from (
       select usd, coalesce(tokens, 0) as tokens from run_spending where run_id = $1
       union all
       select usd, coalesce(tokens, 0) from run_spending where position('/' in run_id) > 0
         and run_id ~>=~ ($1 || '/') and run_id ~<~ ($1 || '0')) u`,
  (runKey: string) => [runKey],
)

/** Reads the usage of a run and of all runs below it; undefined if no model was called. `usd` is null if no price is known. */
export const readRunUsage = async (
  queries: Queries,
  runKey: string,
): Promise<{ usd: number | null; tokens: number } | undefined> => {
  const { usd, tokens } = await usageOfRuns(queries, runKey)
  return tokens === null ? undefined : { usd, tokens }
}

const nextDay = (now: Date): Date => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1))

/** Formats with at most six decimals and no trailing zeros. */
const dollars = (usd: number): string => `$${Number(usd.toFixed(6))}`

const dayIsUsedUp = (used: string, now: Date): AppError => {
  const reset = nextDay(now)
  return new AppError(
    'budget_exceeded',
    `The budget of this collection for today is used up: ${used}. It is renewed at ${reset.toISOString().slice(0, 19)}Z`,
    {
      hint: "Wait until then, or raise the collection's setting budget.",
      retryAfterSeconds: Math.max(1, Math.ceil((reset.getTime() - now.getTime()) / 1000)),
    },
  )
}

/** Throws `budget_exceeded` with the time until the next day (UTC) when the day's budget is used up. */
export const requireBudget = (budget: Budget, spent: UsageToday, at = new Date(now())): void => {
  const { usd_per_day: usd, tokens_per_day: tokens } = budget
  if (typeof usd === 'number' && spent.usd >= usd) throw dayIsUsedUp(`${dollars(spent.usd)} of ${dollars(usd)}`, at)
  if (typeof tokens === 'number' && spent.tokens >= tokens) {
    throw dayIsUsedUp(`${spent.tokens} of ${tokens} tokens`, at)
  }
}

/** Throws `budget_exceeded` when a run has used up its budget. */
export const requireRunBudget = (usd: number, spentUsd: number): void => {
  if (spentUsd < usd) return
  throw new AppError('budget_exceeded', `The budget of this run is used up: ${dollars(spentUsd)} of ${dollars(usd)}`, {
    hint: "Raise the collection's setting run_budget, then start the run again.",
  })
}

/**
 * Whether only a price can limit the call, so that a model without a known price would spend unlimited. Run budgets
 * apply to steps only.
 */
export const needsPrice = ({ budget, run_budget }: Partial<CollectionSettings>, isOfRun: boolean): boolean =>
  budget?.tokens_per_day == null && (budget?.usd_per_day != null || (isOfRun && run_budget?.usd != null))
