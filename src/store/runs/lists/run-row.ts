import type { RunTrigger } from '../../../model/runs/run-lists.ts'
import { mostStepsSideBySide, type RunStatus } from '../../../model/workflows/workflow.ts'
import { bigint, type Column, float, int, list, orNull, type Row, text, textOf } from '../../database/table.ts'
import { runSummary, summaryColumns } from '../runs.ts'
import { triggerOf } from './run-filter.ts'

/** A run as a row of a list over a collection. */
export const listRun = {
  ...runSummary,
  /** US dollars; null when unknown. */
  cost_usd: orNull(float),
  /** Tokens of its model calls; null when none is recorded. */
  tokens: orNull(bigint),
  /** JSON text: names of the models in its steps. */
  models: text,
  trigger: textOf<RunTrigger>(),
  /** Index of its version in the history of its task; null when the task, or that version, is gone. */
  version_number: orNull(int),
  /** Steps that ended and did not fail; how many of the newest ones wait; whether one of them waits for an event (1, 0). */
  steps_seen: list(int) as Column<[done: number, waiting: number, forEvent: number] | null>,
  /** Beginning of the JSON text of its init_params; null when they are large. */
  input_beginning: orNull(text),
  /** JSON text of ChildCounts; null for a run without child runs. */
  children: orNull(text),
}
export type ListRow = Row<typeof listRun>

/** Child runs of a run. */
export interface ChildCounts {
  /** Number of created ones, whatever their status. */
  begun: number
  /** Numbers by status, without completed ones. */
  others: Partial<Record<RunStatus, number>>
}

/** Characters of init_params that a list reads of each run. */
const previewedCharacters = 1_000

/** Maximum steps of one run whose models and costs are read. */
const stepsLookedAt = 50
/** Characters read of a value stored outside its row. */
const lookedAt = 8192

/** Inputs and outputs of a step, which name its models. */
export const stepTexts = `(
  select coalesce(s.inputs, (select left(body, ${lookedAt}) from payloads where id = s.inputs_payload)) as inputs,
    coalesce(s.outputs, (select left(body, ${lookedAt}) from payloads where id = s.outputs_payload)) as outputs
  from steps s where s.run_id = r.id order by s.seq limit ${stepsLookedAt})`

/** Matches JSON as text: one escaped NUL in a string would make Postgres refuse the whole value. */
const modelIn = (text: string): string => `substring(${text} from '"model":("(?:[^"\\\\]|\\\\.)*")')`
const models = `(
  select '[' || coalesce(string_agg(distinct m.model, ','), '') || ']'
  from ${stepTexts} t cross join lateral (values (${modelIn('t.inputs')}), (${modelIn('t.outputs')})) m(model))`

/** Facts in the record of a gateway call, which is the only step of its run. */
const inRecord = (pattern: string): string => `(
  select substring(coalesce(s.outputs, (select body from payloads where id = s.outputs_payload)) from '${pattern}')
  from steps s where s.run_id = r.id and s.seq = 0 and s.epoch = 0 and s.name = 'completion' and not r.ingested)`

/** Cost of a run: recorded as its steps spend it, or with the run of a gateway call or one recorded elsewhere. */
export const runCost = 'coalesce((select usd::float8 from run_spending where run_id = r.id), r.cost_usd)'
const runTokens = `coalesce((select tokens from run_spending where run_id = r.id),
  ${inRecord('"total_tokens":(\\d{1,15})')}::bigint,
  (select s.usage::json->>'total_tokens' from steps s where s.run_id = r.id and s.seq = 0 and r.ingested)::bigint)`

/** The newest version with the workflow that the run executes; of later ones only where no earlier one has it. */
const versionNumber = `(
  select v.seq from task_versions v where v.task_id = r.task_id and v.definition = r.definition
  order by v.created_at <= r.created_at desc, v.seq desc limit 1)`

/** Steps are numbered without gaps, so that the newest ones tell how many there are. */
const stepsSeen = `(
  select array[
    coalesce(max(n.seq) + 1 - count(*) filter (where n.ended_at is null or n.status in ('failed', 'cancelled')), 0)::int,
    count(*) filter (where n.ended_at is null and n.wake_at > now())::int,
    case when r.ended_at is null then
      exists (select from event_waits w where w.run_id = r.id and w.outcome is null)::int else 0 end]
  from (select seq, status, ended_at, wake_at from steps where run_id = r.id order by seq desc limit ${mostStepsSideBySide}) n)`

/** Steps of one run whose child runs are counted; further ones would come of a loop with fan-outs. */
const mostParentSteps = 100

/**
 * The first step with child runs. Not `exists`: where few runs have all the children, the planner expects to find one soon
 * and scans the whole table for each run that has none.
 */
const firstParentStep = '(select c.parent_seq from runs c where c.parent_id = r.id order by c.parent_seq limit 1)'

/** Completed child runs are many and are not counted: their number is the created ones minus all others. */
const children = `case when ${firstParentStep} is not null then (
  with recursive parts(seq, place) as (
    (select ${firstParentStep}, 1)
    union all
    select (select c.parent_seq from runs c where c.parent_id = r.id and c.parent_seq > p.seq order by c.parent_seq limit 1),
      place + 1
    from parts p where p.seq is not null and place < ${mostParentSteps})
  select json_build_object(
    'begun', (select sum((select max(c.child_index) + 1 from runs c where c.parent_id = r.id and c.parent_seq = p.seq))
      from parts p where p.seq is not null),
    'others', (select coalesce(json_object_agg(o.status, o.total), '{}') from (
      select k.status, sum(k.total) as total from (
        select c.status, count(*) as total from runs c where c.parent_id = r.id and c.ended_at is null group by 1
        union all
        select c.status, count(*) from runs c
        where c.parent_id = r.id and c.ended_at is not null and c.status <> 'completed' group by 1) k group by 1) o))::text) end`

/** Columns of a ListRow from a row `r` of runs. */
export const listColumns = `${summaryColumns}, ${runCost} as cost_usd, ${runTokens} as tokens, ${models} as models,
  left(r.init_params, ${previewedCharacters}) as input_beginning, ${triggerOf} as trigger, ${versionNumber} as version_number, ${stepsSeen} as steps_seen, ${children} as children`
