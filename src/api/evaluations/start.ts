import type { Engine } from '../../engine/engine.ts'
import { parsePath } from '../../engine/program/paths.ts'
import type { Call } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { authorOf, type FoundTask } from '../../model/collections/identity.ts'
import { type EvaluationFacts, evaluationTask, type Judge, judgementTask } from '../../model/runs/evaluation.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { definitionText, type RunRow } from '../../store/runs/runs.ts'
import { findEvaluation, latestEvaluation } from '../../store/tasks/evaluations.ts'
import { taskForRecords } from '../../store/tasks/own-tasks.ts'
import { definitionHash, findTask, updateTask } from '../../store/tasks/tasks.ts'
import { readBatchItems } from '../batches/items.ts'
import { type DatasetStart, type DatasetStartDeps, startWithDataset } from '../batches/start-with-dataset.ts'
import { checkSecretNames } from '../runs/parameters.ts'
import { unknownOf } from '../runs/unknown-parameters.ts'
import type { evaluationsContract } from './contract.ts'
import { datasetSource } from './dataset-source.ts'
import { takeApart } from './items.ts'
import { evaluationWorkflow, judgementWorkflow, judgeParams } from './workflows.ts'

type StartCall = Call<(typeof evaluationsContract)['startEvaluation']>

/** Starts the evaluation that a call asks for, or finds the one that its Idempotency-Key has started already. */
export const startEvaluation = (deps: DatasetStartDeps, call: StartCall): Promise<RunRow> =>
  startWithDataset(deps, call, () => requestOf(deps, call))

const requestOf = async (deps: DatasetStartDeps, call: StartCall): Promise<DatasetStart> => {
  const { collection, task, params, body, identity } = call
  if (!task) throw new AppError('not_found', `Task '${params.task}' in collection '${collection.name}' not found`)
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
  const facts: EvaluationFacts = {
    name: body.name ?? null,
    task: task.name,
    total: items.runs.length + (source?.facts.reused ?? 0),
    output_path: outputPath,
    judges: body.judges,
    baseline,
    thresholds: body.thresholds,
    ...(source ? { dataset: source.facts } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  }
  const request = {
    ...at,
    task: evaluation,
    initParams: {
      keys: items.keys, // first, and then the task: so they are found without reading the items
      ...(carried.length > 0 ? { carried } : {}),
      task: task.name,
      items: items.runs,
      ...(items.expected ? { expected: items.expected } : {}),
      max_concurrency: body.max_concurrency,
      judges: body.judges.map((judge) => judgeParams(judge, outputPath)),
    },
    params: { evaluation: facts },
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
