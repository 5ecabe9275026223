import type { Engine, RunRequest } from '../../engine/engine.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { FoundCollection, FoundTask } from '../../model/collections/identity.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { batchTask } from '../../model/runs/batch.ts'
import { evaluationTask } from '../../model/runs/evaluation.ts'
import { callTask, callWithoutActivity, findOwnTask, getOwnTask } from '../../model/runs/own-tasks.ts'
import type { Queries } from '../../store/database/database.ts'
import { type TakeMemory, withInitParams } from '../../store/runs/payloads.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { definitionHash } from '../../store/tasks/tasks.ts'
import { gatewayContract, operationShapes } from '../gateway/contract.ts'

/** Options of a rerun. */
export interface RerunOptions {
  mode: 'run' | 'replay'
  /** `same`, `current`, or a reference to a version of the task. */
  version: string
  from_step?: string | undefined
  /** Overrides of the recorded run's parameters, with resolved file paths. */
  init_params: Record<string, unknown>
}

/** The run to repeat, in the collection and task that it belongs to now. */
interface RerunSource {
  collection: FoundCollection
  task: FoundTask
  source: RunRow
}

/** Makes the request for a run that repeats a recorded one, without secrets. Throws when it cannot be repeated so. */
export const rerunRequest = async (
  { database, engine }: { database: Queries; engine: Pick<Engine, 'planRerun'> },
  { collection, task, source }: RerunSource,
  options: RerunOptions,
  { author, take }: { author: string; take: TakeMemory },
): Promise<RunRequest> => {
  checkAskable(source, options)
  const definition = await definitionOf(database, { task, source }, options)
  const recorded = { key: source.id, trajectoryId: source.trajectory_id, name: source.name }
  const definitions = { source: source.version, target: definition }
  const carry = await engine.planRerun({ source: recorded, fromStep: options.from_step, definitions })
  const { init_params: recordedParams } = await withInitParams(database, source, take)
  const initParams = { ...(JSON.parse(recordedParams) as Record<string, unknown>), ...options.init_params }
  return {
    collection: { ...collection, environmentId: task.environment_id },
    task: { ...task, definition },
    initParams,
    secrets: {},
    files: [],
    author,
    params: { ...paramsOf(source, options, initParams), ...(!carry && kindKept(source, options)) },
    rerun: options.mode === 'replay' ? { replayOf: source.id } : carry ? { carry } : {},
  }
}

/** Hash of the workflow that the new run executes. */
const definitionOf = async (
  database: Queries,
  { task, source }: Pick<RerunSource, 'task' | 'source'>,
  { version }: RerunOptions,
): Promise<string> => {
  if (version === 'same') return source.version
  return version === 'current' ? task.definition : (await taskAt(database, task, version)).task.definition
}

/** Where a client makes calls of a shape. */
const pathOfCalls = (shape: Shape): string => {
  const [operation] = Object.entries(operationShapes).find(([, other]) => other === shape) ?? ['generateContent']
  return gatewayContract[operation as keyof typeof gatewayContract].path
}

/** Definition of recorded calls that no activity can make: it has no steps. */
const withoutSteps = definitionHash(getOwnTask(callTask('moderations')).workflow)

/** Says how to make a recorded call again that no step can make; undefined for any other run. */
const callToMake = ({ name, version }: RunRow, { version: wanted }: RerunOptions): string | undefined => {
  const task = name.slice(name.indexOf('/') + 1)
  const shape = callWithoutActivity(task)
  if (shape !== undefined) return `POST ${pathOfCalls(shape)}`
  // A call of the gateway that named a task of its own.
  return wanted === 'same' && version === withoutSteps && !findOwnTask(task) ? 'ask the gateway' : undefined
}

const checkAskable = (source: RunRow, options: RerunOptions): void => {
  const { mode, from_step: fromStep } = options
  if (source.ingested) {
    throw invalidField(
      ['path', 'trajectory_id'],
      `Run ${source.trajectory_id} was ingested from elsewhere, so there is nothing to execute`,
    )
  }
  const call = callToMake(source, options)
  if (call !== undefined) {
    throw invalidField(
      ['path', 'trajectory_id'],
      `Run ${source.trajectory_id} is the record of a call that no step can make. Make the call again: ${call} with the init_params of the record`,
      'not_supported',
    )
  }
  if (mode !== 'replay') return
  if (fromStep !== undefined) {
    throw invalidField(['body', 'from_step'], 'A replay always begins with the first step; omit from_step')
  }
  if (source.ended_at === null) {
    throw new AppError('conflict', `Run ${source.trajectory_id} has not ended, so its recording is not complete`, {
      hint: 'Wait until the run has ended, or cancel it.',
    })
  }
}

/** Makes `attributes.params` of the new run, which names the run that it repeats. */
const paramsOf = (
  source: RunRow,
  { mode, from_step, version }: RerunOptions,
  initParams: Record<string, unknown>,
): Record<string, unknown> => {
  if (mode === 'replay') return { replay: { of: source.trajectory_id, task: source.name, version } }
  const struckOut = Object.keys(initParams).filter((name) => holdsMask(initParams[name]))
  return {
    rerun: {
      of: source.trajectory_id,
      task: source.name,
      version,
      ...(from_step !== undefined && { from_step }),
      ...(struckOut.length > 0 && { struck_out: struckOut.slice(0, mostNamed) }),
    },
  }
}

/**
 * Copies the facts of a batch or an evaluation, if it is repeated unchanged from its beginning: the new run is then one
 * as well.
 */
const kindKept = ({ name, params }: RunRow, { mode, version, init_params: given }: RerunOptions) => {
  const kind = kinds[name.slice(name.indexOf('/') + 1)]
  if (kind === undefined || mode !== 'run' || version !== 'same' || Object.keys(given).length > 0) return {}
  const { [kind]: facts } = JSON.parse(params ?? '{}') as Record<string, unknown>
  return facts === undefined ? {} : { [kind]: facts }
}

/** Key in `params` under which the runs of a server's own task describe themselves, by task. */
const kinds: Record<string, string> = { [batchTask]: 'batch', [evaluationTask]: 'evaluation' }

const mostNamed = 50

/** Tells whether a recorded value may contain a secret that was struck out. */
const holdsMask = (value: unknown): boolean => JSON.stringify(value)?.includes('***') ?? false
