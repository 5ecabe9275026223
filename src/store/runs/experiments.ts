import type { ExperimentItem, ExperimentState } from '../../model/runs/experiment.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import {
  bigint,
  bool,
  change,
  float,
  int,
  listsOf,
  moment,
  orNull,
  query,
  queryOne,
  queryRow,
  type Row,
  table,
  text,
  textOf,
  valuesOf,
} from '../database/table.ts'
import { isRestoreHeld } from '../system/restore-state.ts'

/** Members with `JSON` hold JSON text. */
const experiments = table('experiments', {
  id: text,
  number: bigint,
  collection_id: bigint,
  task_id: bigint,
  task: text,
  kind: textOf<'backtest'>(),
  name: orNull(text),
  /** JSON: see `candidateSchema`. */
  candidate: text,
  /** Hash of the candidate's workflow. */
  definition: text,
  /** JSON. */
  init_params: text,
  /** JSON: a list of judges. */
  judges: text,
  output_path: orNull(text),
  /** JSON: names of steps. */
  allow: text,
  max_concurrency: int,
  /** Executions of the candidate for each recorded run. */
  repeat: int,
  /** JSON: an `ExperimentPlan`. */
  estimate: text,
  state: textOf<ExperimentState>(),
  reason: orNull(text),
  author: text,
  recorded_by: text,
  key_id: orNull(bigint),
  created_at: moment,
  ended_at: orNull(moment),
})
const columns = `${experiments.of('e')}, e.bound_usd::float8 as bound_usd`
const row = { ...experiments.columns, bound_usd: orNull(float) }
export type ExperimentRow = Row<typeof row>

const given = [
  ...(['id', 'collection_id', 'task_id', 'task', 'kind', 'name', 'candidate', 'definition', 'init_params'] as const),
  ...(['judges', 'output_path', 'allow', 'max_concurrency', 'repeat', 'bound_usd'] as const),
  ...(['estimate', 'author', 'recorded_by', 'key_id'] as const),
] as const
type NewExperiment = Pick<ExperimentRow, (typeof given)[number]>

const items = table('experiment_items', {
  n: int,
  base_key: text,
  base_id: text,
  from_step: orNull(text),
  rest_usd: float,
  state: textOf<ExperimentItem['state']>(),
  outcome: orNull(textOf<NonNullable<ExperimentItem['outcome']>>()),
  reason: orNull(text),
  trial_id: orNull(text),
  /** JSON: a `{base, candidate}` for each judge. */
  verdicts: orNull(text),
  arm: textOf<ExperimentItem['arm']>(),
  repetition: int,
  /** `n` of the item of the same recorded run with repetition 0. */
  first_n: int,
})
export type ExperimentItemRow = Row<typeof items.columns>
const itemColumns = items.of('i')
/** Columns of a new item, with their types in SQL. */
const newItemTypes = {
  ...({ n: 'int', first_n: 'int', arm: 'text', repetition: 'int', base_key: 'text', base_id: 'text' } as const),
  ...({ from_step: 'text', rest_usd: 'float8', state: 'text', outcome: 'text', reason: 'text' } as const),
}
const newItem = Object.keys(newItemTypes) as (keyof typeof newItemTypes)[]
export type NewExperimentItem = Pick<ExperimentItemRow, keyof typeof newItemTypes>

/** Stores an experiment with its items in one statement. */
export const createExperiment = queryRow(
  'create_experiment',
  { id: text },
  `with e as (
     insert into experiments (${given.join(', ')}) values (${given.map((_, at) => `$${at + 1}`).join(', ')}) returning id),
   i as (
     insert into experiment_items (experiment_id, ${newItem.join(', ')})
     select e.id, u.* from e, unnest(${newItem.map((name, at) => `$${given.length + 1 + at}::${newItemTypes[name]}[]`).join(', ')}) u)
   select id from e`,
  (experiment: NewExperiment, rows: readonly NewExperimentItem[]) => [
    ...valuesOf(given, experiment),
    ...listsOf(newItem, rows),
  ],
)

export const findExperiment = queryOne(
  'find_experiment',
  row,
  `select ${columns} from experiments e where e.id = $1 and e.collection_id = $2`,
  (collectionId: number, id: string) => [id, collectionId],
)

/** Lists experiments of a collection, or of one task, below a number, newest first. */
export const listExperiments = query(
  'list_experiments',
  row,
  `select ${columns} from experiments e
   where e.collection_id = $1 and e.number < $2 and ($4::bigint is null or e.task_id = $4) order by e.number desc limit $3`,
  (collectionId: number, at: { before: number; limit: number; taskId: number | undefined }) => [
    ...[collectionId, at.before, at.limit, at.taskId ?? null],
  ],
)

export const itemsOf = query(
  'experiment_items_of',
  items.columns,
  `select ${itemColumns} from experiment_items i where i.experiment_id = $1 order by i.n`,
  (id: string) => [id],
)

/** SQL condition: some experiment is due. Examines only the first row in index order. */
export const isAnyExperimentDue = (at: string): string =>
  `(coalesce((select due_at <= ${at} from experiments where state = 'running' order by due_at limit 1), false)
    and not ${isRestoreHeld})`

/** After this time without news the process that looks after it counts as dead. */
const lostAfterSeconds = 30

/** Claims the experiment that has been due longest; undefined when none is. */
export const claimExperiment = queryOne(
  'claim_experiment',
  row,
  `with due as (
     select id from experiments where state = 'running' and due_at <= now() and not ${isRestoreHeld}
     order by due_at limit 1 for no key update skip locked)
   update experiments e set due_at = now() + interval '${lostAfterSeconds} seconds' from due where e.id = due.id
   returning ${columns}`,
)

/** Gives a claimed experiment back, to be looked after again in so many milliseconds. */
export const putBackExperiment = change(
  'put_back_experiment',
  `update experiments set due_at = now() + $2 * interval '1 millisecond' where id = $1 and state = 'running' returning id`,
  (id: string, milliseconds: number) => [id, milliseconds],
)

export const endExperiment = change(
  'end_experiment',
  `update experiments set state = $2, reason = $3, ended_at = now() where id = $1 and state = 'running' returning id`,
  (id: string, state: ExperimentState, reason: string | null) => [id, state, reason],
)

/** Lets a stopped experiment go on with the items that had not begun. */
export const resumeExperiment = change(
  'resume_experiment',
  `with e as (
     update experiments set state = 'running', reason = null, ended_at = null, due_at = now(), bound_usd = $2
     where id = $1 and state = 'stopped' returning id)
   update experiment_items i set state = 'waiting', outcome = null, reason = null from e
   where i.experiment_id = e.id and i.outcome = 'cancelled' and i.trial_id is null
   returning i.n`,
  (id: string, bound: number | null) => [id, bound],
)

/** Ends the items that have not ended, when an experiment stops. */
export const cancelItems = change(
  'cancel_experiment_items',
  `update experiment_items set state = 'ended', outcome = 'cancelled' where experiment_id = $1 and state <> 'ended'
   returning n`,
  (id: string) => [id],
)

const openItem = {
  ...items.columns,
  /** Of the run of the candidate; null before it has one. */
  status: orNull(textOf<RunStatus>()),
  error: orNull(text),
  ended: bool,
  /** Whether it failed before a step that writes. */
  withheld: bool,
  base_status: orNull(textOf<RunStatus>()),
}
export type OpenItem = Row<typeof openItem>

/** Keys of the run that tries an item, and of its judgements; `base-cut`: of the recorded run where the trial ended. */
export const trialKey = (experiment: string, n: number): string => `${experiment}/run/${n}`
export const judgementKey = (
  experiment: string,
  n: number,
  judge: number,
  of: 'base' | 'base-cut' | 'candidate',
): string => `${experiment}/judge/${n}.${judge}.${of}`

/** Items that have not ended, those under way first. */
export const openItems = query(
  'open_experiment_items',
  openItem,
  `select ${itemColumns}, r.status, left(r.error, 2000) as error, r.ended_at is not null as ended,
     coalesce(r.status = 'failed' and exists (select from steps s where s.run_id = r.id and s.status = 'failed'
       and s.error like '%"effect_withheld"%'), false) as withheld,
     b.status as base_status
   from experiment_items i
   left join runs r on r.id = $1 || '/run/' || i.n
   left join runs b on b.id = i.base_key
   where i.experiment_id = $1 and i.state <> 'ended'
   order by i.state = 'waiting', i.n limit $2`,
  (id: string, most: number) => [id, most],
)

export const noteItem = change(
  'note_experiment_item',
  `update experiment_items set state = $3, outcome = $4, reason = $5, trial_id = coalesce($6, trial_id),
     verdicts = coalesce($7, verdicts)
   where experiment_id = $1 and n = $2 and state <> 'ended' returning n`,
  (
    id: string,
    n: number,
    at: Pick<ExperimentItemRow, 'state' | 'outcome'> &
      Partial<Pick<ExperimentItemRow, 'reason' | 'trial_id' | 'verdicts'>>,
  ) => [id, n, at.state, at.outcome, at.reason ?? null, at.trial_id ?? null, at.verdicts ?? null],
)

const judgement = { id: text, status: textOf<RunStatus>(), ended: bool, outputs: orNull(text), error: orNull(text) }

/** The judgements of one item, with what the judge's step put out. */
export const judgementsOfItem = query(
  'judgements_of_item',
  judgement,
  `select r.id, r.status, r.ended_at is not null as ended, left(r.error, 2000) as error,
     case when s.status = 'completed' then coalesce(s.outputs, p.body) end as outputs
   from runs r left join steps s on s.run_id = r.id and s.seq = $2 left join payloads p on p.id = s.outputs_payload
   where r.id = any($1::text[])`,
  (keys: readonly string[], seq: number) => [keys, seq],
)

/** What an experiment has paid: its runs, the runs below them, and the judgements. */
export const spentOn = queryRow(
  'spent_on_experiment',
  { runs: float, judgements: float, most_run: float, most_judgement: float },
  `select coalesce(sum(usd) filter (where run_id like $1 || '/run/%'), 0)::float8 as runs,
     coalesce(sum(usd) filter (where run_id like $1 || '/judge/%'), 0)::float8 as judgements,
     coalesce(max(usd) filter (where run_id like $1 || '/run/%'), 0)::float8 as most_run,
     coalesce(max(usd) filter (where run_id like $1 || '/judge/%'), 0)::float8 as most_judgement
   from run_spending
   where position('/' in run_id) > 0 and run_id ~>=~ ($1 || '/') and run_id ~<~ ($1 || '0')`,
  (id: string) => [id],
)

/** Keys of runs of an experiment that have not ended. */
export const openRunsOf = query(
  'open_runs_of_experiment',
  { id: text },
  `select r.id from runs r where r.id ~>=~ ($1 || '/') and r.id ~<~ ($1 || '0') and r.ended_at is null and r.depth = 0
   limit 5000`,
  (id: string) => [id],
)

/** Steps of a recorded run that are not carried and called models: their own usage, and what the runs below them paid. */
export const restOfRun = query(
  'rest_of_run',
  { name: text, usage: orNull(text), below: float },
  `select s.name, s.usage, b.usd as below
   from steps s cross join lateral (
     select coalesce(sum(usd), 0)::float8 as usd from run_spending
     where position('/' in run_id) > 0 and run_id ~>=~ ($1 || '/' || s.seq || '/') and run_id ~<~ ($1 || '/' || s.seq || '0')) b
   where s.run_id = $1 and not (s.seq = any($2::int[])) and (s.usage is not null or b.usd > 0)`,
  (runKey: string, carried: readonly number[]) => [runKey, carried],
)

/** Outputs of a completed step of two runs as JSON text: of that name, or of the last one. */
export const judgedOutputs = query(
  'judged_outputs',
  { run_id: text, name: text, outputs: text },
  `select k.id as run_id, s.name, s.outputs from unnest($1::text[]) k(id) cross join lateral (
     select s.name, coalesce(s.outputs, p.body) as outputs from steps s left join payloads p on p.id = s.outputs_payload
     where s.run_id = k.id and s.status = 'completed' and ($2::text is null or s.name = $2)
     order by s.seq desc limit 1) s`,
  (keys: readonly string[], step: string | null) => [keys, step],
)
