import type { RunTrigger } from '../../model/runs/run-lists.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { bigint, float, int, json, moment, orNull, query, queryOne, text, textOf } from '../database/table.ts'
import { countedValue } from './label-totals.ts'
import { triggerOf } from './lists/run-filter.ts'

/** A user or a session. */
const listed = {
  value: text,
  runs: bigint,
  first_at: moment,
  seen_at: moment,
  /** Microseconds since 1970. */
  place: bigint,
  usd: float,
  tokens: bigint,
  calls: bigint,
  /** Of its latest run; null without one. */
  user: orNull(text),
}
export type ListedValue = Awaited<ReturnType<typeof listValues>>[number]

const latestUser = `(select u.value from labels s join labels u on u.run_id = s.run_id and u.key = 'user'
  where s.collection_id = v.collection_id and s.key = v.key and s.key = 'session' and left(s.value, 200) = v.value collate "default"
  order by s.run_created_at desc, s.run_number desc limit 1)`

const withTotals = (source: string): string => `
  select v.value, v.runs, v.first_at, v.seen_at, floor(extract(epoch from v.seen_at) * 1000000)::bigint as place,
    coalesce(d.usd, 0)::float8 as usd, coalesce(d.tokens, 0)::bigint as tokens, coalesce(d.calls, 0)::bigint as calls,
    ${latestUser} as "user"
  from (${source}) v left join lateral (
    select sum(usd) as usd, sum(tokens) as tokens, sum(calls) as calls from label_days
    where (collection_id, key, value) = (v.collection_id, v.key, v.value)) d on true
  order by v.seen_at desc, v.value desc`

/** The label of which values are listed. */
export type ListedKey = 'user' | 'session'

interface ListPlace {
  collectionId: number
  key: ListedKey
  /** Values that were seen before this one. */
  after: { place: number; value: string } | undefined
  limit: number
}

/** Lists users or sessions, the latest first. */
export const listValues = query(
  'list_label_values',
  listed,
  withTotals(`select * from label_values
    where collection_id = $1 and key = $2 collate "C" and runs > 0
      and (seen_at, value) < (coalesce('epoch'::timestamptz + $3::bigint * interval '1 microsecond', 'infinity'), $4 collate "C")
    order by seen_at desc, value desc limit $5`),
  ({ collectionId, key, after, limit }: ListPlace) => [
    ...[collectionId, key, after?.place ?? null, after?.value ?? '', limit],
  ],
)

export const findValue = queryOne(
  'find_label_value',
  listed,
  withTotals(`select * from label_values
    where collection_id = $1 and key = $2 collate "C" and value = ${countedValue('$3')} and runs > 0`),
  (collectionId: number, key: ListedKey, value: string) => [collectionId, key, value],
)

/** Runs of a user that are looked at for their sessions, the latest ones. */
const lookedAt = 1_000

/** Lists the sessions of the latest runs of a user, the latest first. */
export const sessionsOfUser = query(
  'sessions_of_user',
  listed,
  withTotals(`select * from label_values where collection_id = $1 and key = 'session' and runs > 0 and value in (
      select ${countedValue('s.value')} from (
        select run_id from labels where collection_id = $1 and key = 'user' and left(value, 200) = left($2, 200)
        order by run_created_at desc, run_number desc limit ${lookedAt}) r
      join labels s on s.run_id = r.run_id and s.key = 'session')
    order by seen_at desc, value desc limit $3`),
  (collectionId: number, user: string, limit: number) => [collectionId, user, limit],
)

const turn = {
  trajectory_id: text,
  task: text,
  trigger: textOf<RunTrigger>(),
  status: textOf<RunStatus>(),
  created_at: moment,
  ended_at: orNull(moment),
  place: bigint,
  number: bigint,
  user: orNull(text),
  /** JSON texts; null if they are above 64 KiB, or if there are none. */
  init_params: orNull(text),
  inputs: orNull(text),
  outputs: orNull(text),
  error: orNull(text),
  usd: orNull(float),
  tokens: bigint,
  started: json<{ trajectory_id: string; task: string; status: RunStatus }[]>('json'),
  started_total: int,
}

const mostStarted = 20

/**
 * Reads the runs of a session in their order. What a run has used is that of its own calls and of the runs below it; a
 * traced call that the gateway has recorded counts with that record. A run below another one of the session is no turn.
 */
export const turnsOf = query(
  'turns_of_session',
  turn,
  `select r.trajectory_id, split_part(r.name, '/', 2) as task, ${triggerOf} as trigger, r.status, r.created_at, r.ended_at,
       floor(extract(epoch from t.run_created_at) * 1000000)::bigint as place, t.run_number as number,
       (select value from labels where run_id = r.id and key = 'user' order by number limit 1) as "user",
       r.init_params, a.inputs, a.outputs, r.error, used.usd::float8 as usd, coalesce(used.tokens, 0)::bigint as tokens,
       (select coalesce(json_agg(c), '[]') from (
          select trajectory_id, split_part(name, '/', 2) as task, status from runs where parent_id = r.id
          order by parent_seq, child_index limit ${mostStarted}) c) as started,
       (select count(*)::int from (select from runs where parent_id = r.id limit 1000) c) as started_total
     from (
       select distinct on (l.run_created_at, l.run_number) l.run_id, l.run_created_at, l.run_number from labels l
       where l.collection_id = $1 and l.key = 'session' and left(l.value, 200) = left($2, 200)
         and (l.run_created_at, l.run_number) > (coalesce('epoch'::timestamptz + $3::bigint * interval '1 microsecond', '-infinity'), $4::bigint)
         and (position('/' in l.run_id) = 0 or not exists (
           select from labels up where up.run_id = any(keys_of_line(l.run_id)) and up.run_id <> l.run_id
             and up.key = 'session' and left(up.value, 200) = left($2, 200)))
       order by l.run_created_at, l.run_number limit $5) t
     join runs r on r.id = t.run_id
     left join lateral (
       select s.inputs, s.outputs from steps s where s.run_id = r.id and s.ended_at is not null
       order by s.span is not null and s.span::json->>'parent' is null and s.outputs <> '{}' desc,
         (s.span is null or s.usage is not null) desc, s.seq desc limit 1) a on true
     cross join lateral (
       select sum(usd) as usd, sum(tokens) as tokens from (
         select usd, tokens from run_spending where run_id = r.id
         union all
         select usd, tokens from run_spending
         where position('/' in run_id) > 0 and run_id ~>=~ (r.id || '/') and run_id ~<~ (r.id || '0')
         union all
         select (usage::json->>'cost_usd')::numeric, (usage::json->>'total_tokens')::bigint from steps
         where run_id = r.id and epoch = 0 and usage is not null and span::json->'call' is null) u) used
     order by t.run_created_at, t.run_number`,
  (
    collectionId: number,
    session: string,
    page: { after: { place: number; number: number } | undefined; limit: number },
  ) => [collectionId, session, page.after?.place ?? null, page.after?.number ?? 0, page.limit],
)
