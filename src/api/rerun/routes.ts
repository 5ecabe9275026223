import type { Database } from '../../database/database.ts'
import type { Engine, RunRequest } from '../../engine/engine.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { batchTask } from '../../model/runs/batch.ts'
import { evaluationTask } from '../../model/runs/evaluation.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import { withInitParams } from '../../store/runs/large-values.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { acceptedReply } from '../runs/accepted.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { checkParameters } from '../runs/parameters.ts'
import { startRunOnce } from '../runs/start-once.ts'
import { copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'
import { rerunContract } from './contract.ts'

export interface RerunDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  settings: { maxInitParamsBytes: number }
}

type RerunCall = Call<(typeof rerunContract)['rerunTrajectory']>

export const rerunRoutes = (deps: RerunDeps): Route[] =>
  implement(rerunContract, {
    rerunTrajectory: async (call) =>
      acceptedReply(
        deps,
        await startRunOnce(deps, { call, sent: call.body, prepare: () => prepare(deps, call) }),
        call.memory,
      ),
  })

/** Makes a new run of a recorded one. Throws when it cannot be run again in this way. */
const prepare = async ({ database, engine, settings }: RerunDeps, call: RerunCall): Promise<RunRequest> => {
  const { collection, task, params, body, identity } = call
  const at = { collectionId: collection.id, task: params.task, trajectoryId: params.trajectory_id }
  const source = await findRun(database, at)
  if (!source) throw new AppError('not_found', `Trajectory '${params.trajectory_id}' not found`)
  if (!task) throw new AppError('not_found', `Task '${params.task}' was deleted, so its runs cannot be run again`)
  checkAskable(source, body)
  checkParameters(body, false, settings.maxInitParamsBytes)
  const definition = body.version === 'current' ? task.definition : source.version
  const recorded = { key: source.id, trajectoryId: source.trajectory_id, name: source.name }
  const definitions = { source: source.version, target: definition }
  const carry = await engine.planRerun({ source: recorded, fromStep: body.from_step, definitions })
  const given = await withResolvedFiles(database, collection, body.init_params)
  const { init_params: recordedParams } = await withInitParams(database, source, (bytes) =>
    call.memory.take(copiesOfDocument * bytes),
  )
  const initParams = { ...(JSON.parse(recordedParams) as Record<string, unknown>), ...given }
  return {
    collection: { id: collection.id, name: collection.name, environmentId: task.environment_id },
    task: { ...task, definition },
    initParams,
    secrets: body.secret_params,
    files: [],
    author: authorOf(identity),
    params: { ...paramsOf(source, body, initParams), ...(!carry && kindKept(source, body)) },
    unservable: refusesUnservable(call) ? 'refuse' : 'record',
    rerun: body.mode === 'replay' ? { replayOf: source.id } : carry ? { carry } : {},
  }
}

const checkAskable = (source: RunRow, { mode, from_step: fromStep }: RerunCall['body']): void => {
  if (source.ingested) {
    throw invalidField(
      ['path', 'trajectory_id'],
      `Run ${source.trajectory_id} was ingested from elsewhere, so there is nothing to execute`,
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

/** `attributes.params` of the new run: what it comes of. */
const paramsOf = (
  source: RunRow,
  { mode, from_step, version }: RerunCall['body'],
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

/** A batch or an evaluation that is run again from its beginning, as it was, is one again: what it says of itself holds. */
const kindKept = ({ name, params }: RunRow, { mode, version, init_params: given }: RerunCall['body']) => {
  const kind = kinds[name.slice(name.indexOf('/') + 1)]
  if (kind === undefined || mode !== 'run' || version !== 'same' || Object.keys(given).length > 0) return {}
  const { [kind]: facts } = JSON.parse(params ?? '{}') as Record<string, unknown>
  return facts === undefined ? {} : { [kind]: facts }
}

/** By the server's own task, where in `params` its runs say what they are. */
const kinds: Record<string, string> = { [batchTask]: 'batch', [evaluationTask]: 'evaluation' }

const mostNamed = 50

/** Whether a secret may have been struck out of a value when it was recorded. */
const holdsMask = (value: unknown): boolean => JSON.stringify(value)?.includes('***') ?? false
