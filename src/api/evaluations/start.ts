import { createHash } from 'node:crypto'
import type { Engine } from '../../engine/engine.ts'
import { parsePath } from '../../engine/program/paths.ts'
import type { AnyCall, Call } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import { authorOf, type FoundCollection, type FoundTask, type Identity } from '../../model/collections/identity.ts'
import {
  type EvaluationFacts,
  type EvaluationRequest,
  evaluationTask,
  type Judge,
  judgementTask,
} from '../../model/runs/evaluation.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { ranItems } from '../../store/items/dataset-runs.ts'
import { definitionText, type RunRow } from '../../store/runs/runs.ts'
import {
  type Carried,
  carriedOf,
  type EvaluationRow,
  findEvaluation,
  latestEvaluation,
} from '../../store/tasks/evaluations.ts'
import { taskAt, taskNameAt } from '../../store/tasks/task-at.ts'
import { definitionHash, findTask, taskForRecords, updateTask } from '../../store/tasks/tasks.ts'
import { type DatasetItems, readDatasetItems } from '../batches/dataset-items.ts'
import { type Item, readBatchItems } from '../batches/items.ts'
import { type DatasetStart, type DatasetStartDeps, startWithDataset } from '../batches/start-with-dataset.ts'
import { estimateToKeep } from '../estimates/estimate.ts'
import { checkSecretNames, unknownOf } from '../runs/start.ts'
import { missingTask } from '../tasks/missing-task.ts'
import type { evaluationsContract } from './contract.ts'
import { factsOf, readOwnResults } from './read.ts'
import { evaluationWorkflow, judgementWorkflow, judgeParams } from './workflows.ts'

/** The facts that decide whether an earlier verdict is still valid. */
interface Wanted {
  collectionId: number
  /** Hash of the workflow of the task's version. */
  definition: string
  judges: readonly Judge[]
  outputPath: string | null
}

const isSameJudging = (facts: EvaluationFacts, { judges, outputPath }: Wanted): boolean =>
  facts.output_path === outputPath && JSON.stringify(facts.judges) === JSON.stringify(judges)

/** Ids of the items whose runs and verdicts of one evaluation hold for the present contents and workflow. */
const holdingIn = async (
  queries: Queries,
  run: EvaluationRow,
  facts: EvaluationFacts,
  { batch }: DatasetItems,
  wanted: Wanted,
): Promise<Set<string>> => {
  const ran = await ranItems(queries, { runKey: run.id, datasetId: batch.datasetId })
  const hashes = new Map(batch.items.map(({ item_id, hash }) => [item_id, hash]))
  const same = new Set(
    ran
      .filter(({ item_id, hash, definition }) => definition === wanted.definition && hashes.get(item_id) === hash)
      .map(({ child_index }) => child_index),
  )
  const { table } = await readOwnResults(queries, run, facts)
  const holding = table.items.filter(
    ({ index, status, verdicts }) =>
      same.has(index) &&
      status === 'completed' &&
      verdicts.every((one) => one?.status === 'completed' && one.value !== null),
  )
  return new Set(holding.map(({ key }) => key))
}

/**
 * Finds the items of a dataset whose results in an earlier evaluation still hold: the same content, workflow and judges.
 * An evaluation that itself took results over leads to those that executed them.
 */
const holdingResults = async (
  queries: Queries,
  earlier: string | null,
  items: DatasetItems,
  wanted: Wanted,
): Promise<Carried[]> => {
  const run = earlier === null ? undefined : await findEvaluation(queries, wanted.collectionId, earlier)
  if (!run) return []
  const sources = [{ evaluation: run.trajectory_id, keys: null }, ...(await carriedOf(queries, run.id))]
  const found: Carried[] = []
  const taken = new Set<string>()
  for (const { evaluation, keys } of sources) {
    const row = await findEvaluation(queries, wanted.collectionId, evaluation)
    const facts = row && factsOf(row)
    if (!row || !facts || !isSameJudging(facts, wanted)) continue
    const holding = await holdingIn(queries, row, facts, items, wanted)
    const some = (keys ?? [...holding]).filter((key) => holding.has(key) && !taken.has(key))
    for (const key of some) taken.add(key)
    if (some.length > 0) found.push({ evaluation, keys: some })
  }
  return found
}

/** The items that are left to run when the others are taken over. */
const withoutCarried = (items: DatasetItems, carried: readonly Carried[]): DatasetItems => {
  const gone = new Set(carried.flatMap(({ keys }) => keys))
  const left = items.ids.map((id) => !gone.has(id))
  const kept = <One>(list: readonly One[]): One[] => list.filter((_, at) => left[at])
  return {
    items: kept(items.items),
    ids: kept(items.ids),
    batch: { ...items.batch, items: kept(items.batch.items) },
    facts: { ...items.facts, reused: gone.size },
  }
}

/** Items of an evaluation, separated: parameters of the runs, expected results for the judges, and item keys. */
interface EvaluatedItems {
  runs: Item[]
  /** Undefined when no item states an expected result. */
  expected: unknown[] | undefined
  keys: string[]
}

const hashCharacters = 16
const longestKey = 200

const hashOf = (item: Item): string =>
  createHash('sha256').update(canonicalJson(item)).digest('hex').slice(0, hashCharacters)

const idOf = ({ id }: Item, at: number): string | undefined => {
  if (id === undefined || id === null || id === '') return undefined
  if ((typeof id === 'string' || typeof id === 'number') && String(id).length <= longestKey) return String(id)
  throw invalidField(
    ['body', 'items', at, 'id'],
    `Item ${at} needs a text or a number of at most ${longestKey} characters as its id`,
  )
}

/**
 * Separates items. An item is matched across evaluations by its `id`, or by the hash of its parameters; a repeated key
 * becomes `…#2`. `expected` is for the judges only: the run must not see the answer. Items of a dataset have their ids
 * beside them.
 */
export const takeApart = (items: readonly Item[], known?: readonly string[]): EvaluatedItems => {
  const seen = new Map<string, number>()
  const ids = new Map<string, number>()
  const runs: Item[] = []
  const keys: string[] = []
  for (const [at, { expected: _, ...run }] of items.entries()) {
    const id = known ? known[at] : idOf(run, at)
    const earlier = id === undefined ? undefined : ids.get(id)
    if (earlier !== undefined) {
      throw invalidField(['body', 'items', at, 'id'], `Items ${earlier} and ${at} have the same id '${id}'`)
    }
    if (id !== undefined) ids.set(id, at)
    const key = id ?? hashOf(run)
    const times = (seen.get(key) ?? 0) + 1
    seen.set(key, times)
    runs.push(run)
    keys.push(times === 1 ? key : `${key}#${times}`)
  }
  // an empty CSV cell means "not given"
  const expected = items.map(({ expected }) => (expected === '' ? null : (expected ?? null)))
  return { runs, keys, expected: expected.some((one) => one !== null) ? expected : undefined }
}

interface DatasetCall extends Pick<AnyCall, 'memory'> {
  collection: FoundCollection
  identity: Identity
  body: EvaluationRequest
}

/**
 * The items of the dataset that a call names. With `changed_only`, results that still hold are taken over from the
 * baseline, or else from the newest completed evaluation of the task.
 */
const datasetSource = async (
  { database, settings }: Parameters<typeof readDatasetItems>[0],
  call: DatasetCall,
  task: FoundTask,
  at: { taskId: number; baseline: string | null; outputPath: string | null },
): Promise<{ source?: DatasetItems; carried: Carried[] }> => {
  const { collection, body, identity, memory } = call
  if (body.dataset === undefined) return { carried: [] }
  const asked = { collection, identity, memory, body: { split: body.split } } // which results hold is decided below
  const source = await readDatasetItems({ database, settings }, asked, task, body.dataset)
  if (!body.changed_only) return { source, carried: [] }
  const earlier = at.baseline ?? (await latestEvaluation(database, { taskId: at.taskId, task: task.name })) ?? null
  const { id: collectionId } = collection
  const wanted = { collectionId, definition: task.definition, judges: body.judges, outputPath: at.outputPath }
  const carried = await holdingResults(database, earlier, source, wanted)
  return { source: withoutCarried(source, carried), carried }
}

type StartCall = Call<(typeof evaluationsContract)['startEvaluation']>

/** Starts the evaluation that a call asks for, or finds the one that its Idempotency-Key has started already. */
export const startEvaluation = (deps: DatasetStartDeps, call: StartCall): Promise<RunRow> =>
  startWithDataset(deps, call, () => requestOf(deps, call))

const requestOf = async (deps: DatasetStartDeps, call: StartCall): Promise<DatasetStart> => {
  const { collection, params, body, identity } = call
  if (!call.task) throw missingTask(params.task, collection.name)
  const { task, version } = await taskAt(deps.database, call.task, body.version)
  checkSecretNames(body.secret_params)
  const outputPath = await outputPathOf(deps, task, body.output_path)
  const evaluation = await ownTask(deps, collection.id, evaluationTask, evaluationWorkflow(body.judges))
  const baseline = await baselineOf(deps, call, evaluation.id, task.name)
  const { source, carried } = await datasetSource(deps, call, task, { taskId: evaluation.id, baseline, outputPath })
  const given = await readBatchItems(deps, call, source?.items)
  const items = takeApart(given, source?.ids)
  const warnings = await unknownOf(deps.engine, {
    ...{ task, given: items.runs, secrets: body.secret_params },
    ...{ field: 'items', alsoKnown: ['id'] },
  })
  const at = { collection: { ...collection, environmentId: task.environment_id }, secrets: body.secret_params }
  const unservable = refusesUnservable(call) ? 'refuse' : 'record'
  let refusal = await deps.engine.preflight({ ...at, task, runs: items.runs, unservable })
  const judgement = await ownTask(deps, collection.id, judgementTask, judgementWorkflow)
  await keepWorkflow(deps, collection.id, judgement.definition)
  for (const judge of body.judges) {
    const found = await checkJudge(deps, { ...at, task: judgement, unservable }, judge, outputPath)
    refusal ??= found
  }
  const { judges, max_concurrency: maxConcurrency, economy } = body
  const job = { collectionId: collection.id, task, count: items.runs.length, reused: 0, judges, maxConcurrency }
  const facts: EvaluationFacts = {
    name: body.name ?? null,
    task: task.name,
    version,
    total: items.runs.length + (source?.facts.reused ?? 0),
    output_path: outputPath,
    judges: body.judges,
    baseline,
    thresholds: body.thresholds,
    ...(source ? { dataset: source.facts } : {}),
    ...(await estimateToKeep(deps.database, job, economy)),
    ...(warnings.length > 0 ? { warnings } : {}),
  }
  const request = {
    ...at,
    task: evaluation,
    initParams: {
      keys: items.keys, // first, and then the task: so they are found without reading the items
      ...(carried.length > 0 ? { carried } : {}),
      task: taskNameAt(task.name, version),
      items: items.runs,
      ...(items.expected ? { expected: items.expected } : {}),
      max_concurrency: body.max_concurrency,
      labels: body.labels,
      judges: body.judges.map((judge) => judgeParams(judge, outputPath)),
    },
    ...(body.economy === 'batch' && { economy: body.economy }),
    params: { evaluation: facts, ...(body.economy === 'batch' && { economy: body.economy }) },
    refusal,
    files: [],
    author: authorOf(identity),
  }
  return { request, batch: source?.batch }
}

/** Resolves the path of the judged value. Null stands for the outputs of the run's last step. */
const outputPathOf = async (
  { database }: DatasetStartDeps,
  task: FoundTask,
  asked: string | undefined,
): Promise<string | null> => {
  if (asked === undefined) return null
  const { steps = [] } = JSON.parse(await definitionText(database, task.definition)) as Workflow
  const path = parsePath(asked)
  if (path && (steps.includes(path.root) || path.root === 'init_params')) return path.text
  throw invalidField(
    ['body', 'output_path'],
    `'${asked}' is not a path into a run of '${task.name}'; expected a path such as ${steps.at(-1) ?? 'step'}.outputs.text`,
  )
}

const description = 'Evaluations, recorded by the server'

/** Finds or creates a task that belongs to the server, with the workflow that its runs will have. */
const ownTask = async (deps: DatasetStartDeps, collectionId: number, name: string, workflow: Workflow) => {
  const text = JSON.stringify(workflow)
  const task = await taskForRecords(deps.database, { collectionId, name, workflow: text, description })
  if (!task) throw new AppError('not_found', 'Collection not found')
  return { id: task.id, name: task.name, definition: definitionHash(text) }
}

/** Updates the workflow of the children's task, which an older version of the server may have created. */
const keepWorkflow = async (
  { database }: DatasetStartDeps,
  collectionId: number,
  definition: string,
): Promise<void> => {
  const task = await findTask(database, collectionId, judgementTask)
  if (task && task.definition !== definition) {
    await updateTask(database, task.id, { workflow: JSON.stringify(judgementWorkflow) })
  }
}

/** Prefix of an engine error about a model. The error of a judge has the judge's name instead. */
const whereAsked = /^Item \d+: step '[^']+': /

const checkJudge = async (
  { engine }: DatasetStartDeps,
  at: Omit<Parameters<Engine['preflight']>[0], 'runs'>,
  judge: Judge,
  outputPath: string | null,
): Promise<AppError | undefined> => {
  try {
    const refusal = await engine.preflight({ ...at, runs: [judgeParams(judge, outputPath)] })
    return refusal && ofJudge(judge, refusal)
  } catch (error) {
    throw error instanceof AppError ? ofJudge(judge, error) : error
  }
}

const ofJudge = ({ name }: Judge, { code, message, hint }: AppError): AppError =>
  new AppError(code, `Judge '${name}': ${message.replace(whereAsked, '')}`, hint === undefined ? {} : { hint })

const baselineOf = async (
  { database }: DatasetStartDeps,
  { collection, body }: StartCall,
  taskId: number,
  task: string,
): Promise<string | null> => {
  if (body.baseline === undefined) return null
  if (body.baseline === 'latest') return (await latestEvaluation(database, { taskId, task })) ?? null
  const found = await findEvaluation(database, collection.id, body.baseline)
  if (found) return found.trajectory_id
  throw invalidField(['body', 'baseline'], `There is no evaluation '${body.baseline}' in '${collection.name}'`)
}
