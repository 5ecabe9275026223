import type { Engine, RunRequest } from '../../engine/engine.ts'
import { parsePath, readPath } from '../../engine/program/paths.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, parsedJson } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { FoundCollection, FoundTask } from '../../model/collections/identity.ts'
import type { ModelUsage } from '../../model/gateway/chat.ts'
import { type Judge, judgementTask } from '../../model/runs/evaluation.ts'
import { candidateSchema, type ExperimentPlan, type ExperimentRequest } from '../../model/runs/experiment.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Models } from '../../providers/provider.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { chooseRunsAfter, runKeyOf } from '../../store/runs/collection-runs.ts'
import {
  type ExperimentItemRow,
  type ExperimentRow,
  judgedOutputs,
  type NewExperimentItem,
  restOfRun,
} from '../../store/runs/experiments.ts'
import type { RunCursor } from '../../store/runs/lists/run-order.ts'
import { uncounted, withInitParams } from '../../store/runs/payloads.ts'
import { definitionText, findRunByKey, type RunRow } from '../../store/runs/runs.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { definitionHash, findHomeOfTask, taskForRecords } from '../../store/tasks/tasks.ts'
import { collectionFilter } from '../collection-runs/filter.ts'
import { forecast } from '../estimates/forecast.ts'
import { judgementsOf } from '../estimates/judgements.ts'
import { judgementWorkflow, judgeParams, verdictSeq } from '../evaluations/workflows.ts'

interface PlanDeps {
  database: Database
  engine: Pick<Engine, 'planTrial' | 'preflight' | 'problems'>
  models: Pick<Models, 'prices'>
  settings: { maxExperimentRuns: number }
}

export interface Candidate {
  version: string | null
  index: number | null
  models: Record<string, string>
  init_params: Record<string, unknown>
  /** Hash of its workflow. */
  definition: string
  workflow: Workflow
}

/** Replaces models where a step names one as a text. */
const withModels = (workflow: Workflow, models: Readonly<Record<string, string>>): Workflow => {
  const replaced = (config: unknown): unknown => {
    if (!isObject(config)) return config
    const { model } = config
    const other = typeof model === 'string' && Object.hasOwn(models, model) ? models[model] : undefined
    return other === undefined ? config : { ...config, model: other }
  }
  const configs = Object.entries(workflow.step_configs ?? {}).map(([name, config]) => [name, replaced(config)])
  return { ...workflow, step_configs: Object.fromEntries(configs) }
}

/** The workflow that an experiment tries, stored as a definition. Throws the 400, 404 or 422. */
const candidateOf = async (
  { database, engine }: PlanDeps,
  task: FoundTask,
  { version, workflow, models = {}, init_params }: ExperimentRequest,
): Promise<Candidate> => {
  const at = version === undefined ? undefined : await taskAt(database, task, version)
  const text = await definitionText(database, at?.task.definition ?? task.definition)
  const written = (workflow ?? JSON.parse(text)) as Workflow
  const tried = Object.keys(models).length > 0 ? withModels(written, models) : written
  const [problem] = await engine.problems(tried)
  const field = workflow === undefined ? 'version' : 'workflow'
  if (problem !== undefined) throw invalidField(['body', field], `The candidate cannot be run: ${problem}`)
  const triedText = tried === written && workflow === undefined ? text : JSON.stringify(tried)
  const definition = definitionHash(triedText)
  await keepDefinition(database, { hash: definition, workflow: triedText })
  const index = at?.version.index ?? null
  return { version: version ?? null, index, models, init_params, definition, workflow: tried }
}

/** Tells whether a run is itself the repetition of another one: an experiment takes what really happened. */
const isRepetition = ({ params, replay_of }: Pick<RunRow, 'params'> & { replay_of?: unknown }): boolean => {
  if (replay_of) return true
  const given = params === null ? undefined : parsedJson(params)
  return isObject(given) && (given.replay !== undefined || given.experiment !== undefined)
}

const pageOfRuns = 200

/** The recorded runs of the task that a request names, newest first. */
const baseRuns = async (
  { database, settings }: PlanDeps,
  collection: FoundCollection,
  task: FoundTask,
  { repeat, runs: { last, trajectory_ids: ids, ...filter } }: ExperimentRequest,
): Promise<RunRow[]> => {
  const count = (ids?.length ?? last) * (2 * repeat - 1)
  if (count > settings.maxExperimentRuns) {
    throw invalidField(
      ['body', 'runs', ids ? 'trajectory_ids' : 'last'],
      `An experiment executes at most ${settings.maxExperimentRuns} runs, and with repetitions there could be ${count}: take fewer, or raise JETTY_MAX_EXPERIMENT_RUNS`,
    )
  }
  if (ids) return namedRuns(database, collection, task, ids)
  const wanted = await collectionFilter(database, collection, {
    ...filter,
    task: [task.name],
    task_not: [],
    waiting_for: [],
  })
  const found: RunRow[] = []
  for (let after: RunCursor | undefined; found.length < last; ) {
    const page = await chooseRunsAfter(database, collection.id, wanted, { limit: pageOfRuns, after })
    for (const { id } of page.runs) {
      const row = await findRunByKey(database, id)
      if (row && row.ended_at !== null && !isRepetition(row) && found.length < last) found.push(row)
    }
    if (!page.next) break
    after = page.next
  }
  return found
}

const namedRuns = async (
  database: Queries,
  collection: FoundCollection,
  task: FoundTask,
  ids: readonly string[],
): Promise<RunRow[]> =>
  Promise.all(
    [...new Set(ids)].map(async (trajectoryId, at) => {
      const key = await runKeyOf(database, { collectionId: collection.id, trajectoryId })
      const row = key === undefined ? undefined : await findRunByKey(database, key)
      const loc = ['body', 'runs', 'trajectory_ids', at]
      if (!row || row.task_id !== task.id)
        throw invalidField(loc, `There is no run '${trajectoryId}' of '${task.name}'`)
      if (row.ended_at === null) throw invalidField(loc, `Run '${trajectoryId}' has not ended`)
      return row
    }),
  )

const defaultsIn = (text: string): Record<string, unknown> => {
  const { init_params: given } = JSON.parse(text) as Workflow
  return isObject(given) ? given : {}
}

const isSame = (left: unknown, right: unknown): boolean =>
  left === right || (left !== undefined && right !== undefined && canonicalJson(left) === canonicalJson(right))

/** What of a candidate matters to one recorded run. */
type TriedOnRuns = Pick<Candidate, 'definition' | 'models' | 'init_params'>

/** Parameters that a recorded run would have with the candidate, those that it had, and the names of those that differ. */
const parametersOf = async (
  queries: Queries,
  run: RunRow,
  { definition, models, init_params: given }: TriedOnRuns,
): Promise<{ initParams: Record<string, unknown>; recorded: Record<string, unknown>; changed: string[] }> => {
  const [before, after] = [await definitionText(queries, run.version), await definitionText(queries, definition)]
  const { init_params: text } = await withInitParams(queries, run, uncounted)
  const recorded = JSON.parse(text) as Record<string, unknown>
  const [former, present] = [defaultsIn(before), defaultsIn(after)]
  // A parameter that was left out has the default of the candidate.
  const moved = Object.keys(present).filter((name) => isSame(recorded[name], former[name]))
  const initParams = { ...recorded, ...Object.fromEntries(moved.map((name) => [name, present[name]])), ...given }
  for (const config of Object.values((JSON.parse(after) as Workflow).step_configs ?? {})) {
    const name = modelParameter(config)
    const model = name === undefined || Object.hasOwn(given, name) ? undefined : initParams[name]
    const other = typeof model === 'string' && Object.hasOwn(models, model) ? models[model] : undefined
    if (name !== undefined && other !== undefined) initParams[name] = other
  }
  const changed = Object.keys(initParams).filter((name) => !isSame(initParams[name], recorded[name]))
  return { initParams, recorded, changed }
}

/** Finds what a candidate would execute of a recorded run. */
const trialPlan = async (
  { database, engine }: Pick<PlanDeps, 'database'> & { engine: Pick<Engine, 'planTrial'> },
  run: RunRow,
  candidate: TriedOnRuns,
) => {
  const { initParams, recorded, changed } = await parametersOf(database, run, candidate)
  const source = { key: run.id, trajectoryId: run.trajectory_id, name: run.name }
  const definitions = { source: run.version, target: candidate.definition }
  return { initParams, recorded, ...(await engine.planTrial({ source, definitions, parameters: changed })) }
}

/** The parameter of the run that a step takes its model from. */
const modelParameter = (config: unknown): string | undefined =>
  isObject(config) && typeof config.model_path === 'string'
    ? /^init_params\.(\w+)$/.exec(config.model_path)?.[1]
    : undefined

/** The model that a step asks, as far as its config and the parameters of the run tell. */
const modelOf = (workflow: Workflow, step: string, initParams: Record<string, unknown>): string | undefined => {
  const config = workflow.step_configs?.[step]
  const parameter = modelParameter(config)
  const model = parameter === undefined ? isObject(config) && config.model : initParams[parameter]
  return typeof model === 'string' ? model : undefined
}

/** What executing the rest of a recorded run would cost, by its record. */
interface Rest {
  usd: number
  /** The same with the recorded models. */
  recordedUsd: number
  /** Recorded model calls of unknown price. */
  unknown: number
  /** Other models that would be asked, whose price is unknown. */
  unpriced: string[]
}

/** Sums up what the steps that are executed were charged; another model charges its price for the same tokens. */
const restOf = async (
  { database, models }: Pick<PlanDeps, 'database' | 'models'>,
  run: RunRow,
  { initParams, recorded, carry }: Awaited<ReturnType<typeof trialPlan>>,
  { workflow }: Candidate,
): Promise<Rest> => {
  const before = JSON.parse(await definitionText(database, run.version)) as Workflow
  const rest: Rest = { usd: 0, recordedUsd: 0, unknown: 0, unpriced: [] }
  for (const { name, usage: text, below } of await restOfRun(
    database,
    run.id,
    carry?.steps.map(({ seq }) => seq) ?? [],
  )) {
    rest.usd += below
    rest.recordedUsd += below
    if (text === null) continue
    const { cost_usd: cost, ...usage } = JSON.parse(text) as ModelUsage & { cost_usd: number | null }
    rest.recordedUsd += cost ?? 0
    const step = name.replace(/__\d+$/, '')
    const [then, now] = [modelOf(before, step, recorded), modelOf(workflow, step, initParams)]
    const isOther = then !== undefined && now !== undefined && then !== now
    const usd = isOther ? (await models.prices())({ provider: undefined, model: now }, usage) : cost
    if (usd !== null) rest.usd += usd
    else if (isOther) rest.unpriced.push(now)
    else rest.unknown++
  }
  return rest
}

const cannotBeTried = ({ ingested }: RunRow): string | null =>
  ingested ? 'It was executed elsewhere, so there is nothing to execute' : null

const rounded = (value: number): number => Number(value.toPrecision(6))

/** Plans an experiment: what each run would execute, and what that would cost. Executes nothing. */
export const planExperiment = async (
  deps: PlanDeps,
  collection: FoundCollection,
  task: FoundTask,
  request: ExperimentRequest,
): Promise<{ candidate: Candidate; plan: ExperimentPlan; items: NewExperimentItem[] }> => {
  const { engine } = deps
  const candidate = await candidateOf(deps, task, request)
  const runs = await baseRuns(deps, collection, task, request)
  if (runs.length === 0) {
    throw invalidField(['body', 'runs'], `No ended run of '${task.name}' fits: run it first, or widen the filter`)
  }
  const { definition } = candidate
  await engine.preflight({
    collection: { ...collection, environmentId: task.environment_id },
    task: { ...task, definition },
    ...{ runs: [], secrets: {}, unservable: 'record' },
  })
  const items: NewExperimentItem[] = []
  const again: NewExperimentItem[] = []
  const firstSteps = new Map<string, number>()
  const writing = new Set<string>()
  let unknownCalls = 0
  const unpriced = new Set<string>()
  for (const [n, run] of runs.entries()) {
    const base = {
      n,
      first_n: n,
      arm: 'candidate',
      repetition: 0,
      base_key: run.id,
      base_id: run.trajectory_id,
    } as const
    const reason = cannotBeTried(run)
    if (reason !== null) {
      items.push({ ...base, from_step: null, rest_usd: 0, state: 'ended', outcome: 'cannot', reason })
      continue
    }
    const planned = await trialPlan(deps, run, candidate)
    const { step, writes } = planned
    if (step === null) {
      items.push({ ...base, from_step: null, rest_usd: 0, state: 'ended', outcome: 'untouched', reason: null })
      continue
    }
    const rest = await restOf(deps, run, planned, candidate)
    unknownCalls += rest.unknown
    for (const model of rest.unpriced) unpriced.add(model)
    firstSteps.set(step, (firstSteps.get(step) ?? 0) + 1)
    for (const name of writes) writing.add(name)
    const waiting = {
      ...base,
      from_step: step,
      rest_usd: rest.usd,
      state: 'waiting',
      outcome: null,
      reason: null,
    } as const
    items.push(waiting)
    for (let repetition = 1; repetition < request.repeat; repetition++) {
      again.push({ ...waiting, repetition }, { ...waiting, repetition, arm: 'base', rest_usd: rest.recordedUsd })
    }
  }
  // Each run has its first execution before any has its second, so that a bound leaves out repetitions first.
  again.sort((left, right) => left.repetition - right.repetition || left.first_n - right.first_n)
  const all = [...items, ...again.map((item, at) => ({ ...item, n: items.length + at }))]
  const cost = await costOf(deps, collection, task, request, all, { unknownCalls, unpriced: [...unpriced] })
  const count = (outcome: string) => items.filter((item) => item.outcome === outcome).length
  const plan: ExperimentPlan = {
    ...{ runs: items.length, untouched: count('untouched'), cannot: count('cannot') },
    changed: items.filter(({ state }) => state === 'waiting').length,
    executions: all.filter(({ state }) => state === 'waiting').length,
    writing_steps: [...writing].filter((name) => !request.allow.includes(name)),
    first_steps: Object.fromEntries(firstSteps),
    ...cost,
  }
  return { candidate, plan, items: all }
}

/** What the changed runs and their judgements would cost, from what the recorded ones paid. */
const costOf = async (
  { database }: PlanDeps,
  collection: FoundCollection,
  task: FoundTask,
  { judges = [] }: ExperimentRequest,
  items: readonly NewExperimentItem[],
  { unknownCalls, unpriced }: { unknownCalls: number; unpriced: readonly string[] },
): Promise<Pick<ExperimentPlan, 'cost_usd' | 'reason'>> => {
  const samples = items.filter(({ state }) => state === 'waiting').map(({ rest_usd: usd }) => ({ usd, seconds: 0 }))
  const count = samples.length
  if (count === 0) return { cost_usd: { expected: 0, low: 0, high: 0 }, reason: null }
  const unknown = (reason: string) => ({ cost_usd: null, reason })
  if (unpriced.length > 0) return unknown(`The price of ${unpriced.join(', ')} is unknown`)
  if (unknownCalls > 0) return unknown(`The price of ${unknownCalls} recorded model calls is unknown`)
  const judged = await judgementsOf(database, collection.id, task, judges)
  const missing = judges.find((_, at) => (judged[at]?.length ?? 0) === 0)
  if (missing) {
    return unknown(
      `Nothing is recorded of judge '${missing.name}' with the model ${missing.model}: evaluate a few items first`,
    )
  }
  const changed = new Set(items.filter(({ state }) => state === 'waiting').map(({ first_n }) => first_n)).size
  const judgements = count + changed
  const parts = [{ samples, count }, ...judged.map((recorded) => ({ samples: recorded, count: judgements }))]
  const { usd } = forecast(parts, 1)
  const [low, high] = [usd.low, usd.high].map((value) => (value === null ? null : rounded(value)))
  return { cost_usd: { expected: rounded(usd.expected), low: low ?? null, high: high ?? null }, reason: null }
}

/** A judgement that sets no label: the recorded runs stay as they are. */
const verdictWorkflow: Workflow = {
  ...judgementWorkflow,
  steps: judgementWorkflow.steps?.filter((step) => step !== 'label') ?? [],
}
const verdictText = JSON.stringify(verdictWorkflow)

/** What is judged of the outputs of a step, as `judge_material` reads it: the text, if there is one. */
const judgedIn = (outputs: string, path: string | null): unknown => {
  const value: unknown = JSON.parse(outputs)
  const parsed = path === null ? undefined : parsePath(path)
  const [, ...segments] = parsed?.segments ?? []
  const read = parsed ? readPath(value, segments) : undefined
  const found = read ? (read.found ? read.value : undefined) : value
  return isObject(found) && typeof found.text === 'string' && found.text !== '' ? found.text : found
}

const compareOutputs = async (
  queries: Queries,
  { output_path: path }: ExperimentRow,
  { base, candidate }: { base: string; candidate: string },
  isCut: boolean,
): Promise<{ outcome: 'same' | 'differs' | 'nothing'; path: string | null }> => {
  const parsed = path === null ? undefined : parsePath(path)
  const [first] = parsed?.segments ?? []
  if (first?.kind === 'name' && first.name !== 'outputs') return { outcome: 'differs', path: null } // its inputs are judged
  const step = parsed?.root ?? null
  const rows = await judgedOutputs(queries, [base, candidate], step)
  const after = rows.find(({ run_id }) => run_id === candidate)
  const isAtCut = isCut && path === null && after !== undefined
  const same = isAtCut ? await judgedOutputs(queries, [base], after.name) : rows
  const before = same.find(({ run_id }) => run_id === base)
  if (!before || !after) return { outcome: 'nothing', path: null }
  const [left, right] = [judgedIn(before.outputs, path), judgedIn(after.outputs, path)]
  const judgedPath = isAtCut ? `${after.name}.outputs` : null
  return { outcome: isSame(left, right) ? 'same' : 'differs', path: judgedPath }
}

/** What carries experiments on needs of the API: the requests of its runs, and how outputs compare. */
export const experimentWork = (deps: Pick<PlanDeps, 'database'> & { engine: Pick<Engine, 'planTrial'> }) => {
  const { database } = deps
  const homeOf = async (taskId: number) => {
    const home = await findHomeOfTask(database, taskId)
    if (home) return home
    throw new AppError('not_found', 'The task was deleted')
  }
  return {
    verdictSeq,
    verdictIn: (outputs: string): string | null => {
      const { judgment } = JSON.parse(outputs) as { judgment?: unknown }
      return judgment === null || judgment === undefined ? null : String(judgment)
    },
    compare: (experiment: ExperimentRow, keys: { base: string; candidate: string }, isCut: boolean) =>
      compareOutputs(database, experiment, keys, isCut),
    async trialOf(
      experiment: ExperimentRow,
      item: Pick<ExperimentItemRow, 'base_key' | 'n' | 'arm'>,
    ): Promise<RunRequest> {
      const { collection, task } = await homeOf(experiment.task_id)
      const run = await findRunByKey(database, item.base_key)
      if (!run) throw new AppError('not_found', 'The recorded run was deleted')
      const { author } = experiment
      const candidate = candidateSchema.parse(JSON.parse(experiment.candidate))
      const planned = await trialPlan(deps, run, { ...candidate, definition: experiment.definition })
      const { step, carry } = planned
      const isBase = item.arm === 'base'
      const definition = isBase ? run.version : experiment.definition
      const initParams = isBase ? planned.recorded : planned.initParams
      const from = step === null ? {} : { from_step: step }
      return {
        collection: { ...collection, environmentId: task.environment_id },
        task: { ...task, definition },
        ...{ initParams, secrets: {}, files: [], author },
        params: {
          rerun: { of: run.trajectory_id, task: run.name, version: isBase ? 'recorded' : 'candidate', ...from },
          experiment: { experiment_id: experiment.id, n: item.n },
        },
        trial: { of: run.id, allow: JSON.parse(experiment.allow) as string[] },
        rerun: carry ? { carry } : {},
      }
    },
    async judgementOf(
      experiment: ExperimentRow,
      { judge, trajectoryId, path }: { judge: Judge; trajectoryId: string; path: string | null },
    ): Promise<RunRequest> {
      const { collection, task: home } = await homeOf(experiment.task_id)
      const description = 'Judgements of evaluations, recorded by the server'
      const at = { collectionId: collection.id, name: judgementTask, workflow: verdictText, description }
      const task = await taskForRecords(database, at)
      if (!task) throw new AppError('not_found', 'The collection was deleted')
      return {
        collection: { ...collection, environmentId: home.environment_id },
        task: { ...task, definition: definitionHash(verdictText) },
        initParams: { ...judgeParams(judge, path), trajectory_id: trajectoryId },
        ...{ secrets: {}, files: [], author: experiment.author },
        params: { experiment: { experiment_id: experiment.id, judge: judge.name, of: trajectoryId } },
      }
    },
  }
}
