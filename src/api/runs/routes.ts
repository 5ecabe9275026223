import type { Engine, RunRequest } from '../../engine/engine.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { doInSlices } from '../../lib/slices.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { getOwnTask } from '../../model/runs/own-tasks.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { EndedRun, Trajectory } from '../../model/runs/trajectory.ts'
import { tryTask } from '../../model/runs/try.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import { currentEnvironment } from '../../store/collections/environments.ts'
import type { Lending } from '../../store/collections/lending.ts'
import type { Database } from '../../store/database/database.ts'
import { copyDatasetBatch } from '../../store/items/dataset-runs.ts'
import { withInitParams } from '../../store/runs/payloads.ts'
import { findRun } from '../../store/runs/runs.ts'
import { readRunOutcome } from '../../store/runs/step-records.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { definitionHash, taskForRecords } from '../../store/tasks/tasks.ts'
import { trajectoryPieces } from '../trajectories/document.ts'
import { copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'
import { rerunContract, runsContract } from './contract.ts'
import { withResolvedFiles } from './file-paths.ts'
import { rerunRequest } from './rerun-request.ts'
import { acceptedReply, checkParameters, startRunOnce, startTaskRun, type TaskRunDeps, warnOfUnknown } from './start.ts'

interface RunsDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  lending: Lending
  settings: TaskRunDeps['settings'] & { syncWaitSeconds: number }
}

/** The answer contains the document twice, and the outputs of the last step once more. */
const copiesOfAnswer = 2 * copiesOfDocument

export const runsRoutes = (deps: RunsDeps): Route[] => {
  const { engine, settings } = deps

  const again = implement(rerunContract, {
    rerunTrajectory: async (call) => {
      let repeated: string | undefined
      const run = await startRunOnce(deps, {
        call,
        sent: call.body,
        prepare: async () => {
          const { source, request } = await prepareRerun(deps, call)
          if (request.params?.batch || request.params?.evaluation) repeated = source
          return request
        },
        before: async (runKey) => {
          if (repeated) await copyDatasetBatch(deps.database, { from: repeated, to: runKey })
        },
      })
      await warnOfUnknown(deps.engine, call, run)
      return acceptedReply(deps, run, call.memory)
    },

    tryStep: async (call) => {
      const run = await startRunOnce(deps, { call, sent: call.body, prepare: () => prepareTry(deps, call) })
      return acceptedReply(deps, run, call.memory)
    },
  })
  const first = implement(runsContract, {
    runTask: async (call) => acceptedReply(deps, await startTaskRun(deps, call), call.memory),

    runTaskSync: async (call) => {
      const accepted = await startTaskRun(deps, call)
      const inTime = await engine.wait(accepted.id, AbortSignal.timeout(settings.syncWaitSeconds * 1000))
      const ids = { workflow_id: accepted.workflow_id, trajectory_id: accepted.trajectory_id }
      if (!inTime) {
        throw new AppError('still_running', 'Run still in progress; poll the trajectory', { extra: ids })
      }
      const take = (bytes: number) => call.memory.take(copiesOfAnswer * bytes)
      const outcome = await readRunOutcome(deps.database, accepted.id, take)
      if (!outcome) throw new AppError('not_found', 'The run was deleted in the meantime')
      const trial = accepted.trial && (await deps.lending.leftAfter(accepted.id))
      const whole = await withInitParams(deps.database, accepted, take)
      const run = { ...whole, ...outcome.run, ...(trial ? { trial } : {}) }
      const definition = await deps.definitions(run.definition)
      const pieces = trajectoryPieces(run, outcome.steps, definition, deps.links.publicUrl)
      const document = await doInSlices(pieces, call.collection.name)
      const last = outcome.steps.findLast((step) => step.status !== 'skipped')
      const beside = objectText<Omit<EndedRun, keyof Trajectory>>({
        message: `Workflow ${run.status}`,
        result: new WrittenJson(last?.outputs ?? '{}'),
        metadata: '',
        trajectory: new WrittenJson(document),
      })
      return rawJson(`${document.slice(0, -1)},${beside.slice(1)}`)
    },
  })
  return [...first, ...again]
}

type TryCall = Call<(typeof rerunContract)['tryStep']>

const prepareTry = async ({ database, engine, settings }: RunsDeps, call: TryCall): Promise<RunRequest> => {
  const { collection, body, identity } = call
  checkParameters(body, false, settings.maxInitParamsBytes)
  const workflow = JSON.stringify(await engine.planTry(body.workflow as Workflow, body))
  const definition = definitionHash(workflow)
  const initParams = await withResolvedFiles(database, collection, body.init_params) // refuses before anything is stored
  const environmentId = await currentEnvironment(database, collection.id)
  const task = await taskForRecords(database, {
    collectionId: collection.id,
    name: tryTask,
    ...getOwnTask(tryTask),
  })
  if (!task || environmentId === undefined) throw new AppError('not_found', 'Collection not found')
  await keepDefinition(database, { hash: definition, workflow })
  return {
    collection: { ...collection, environmentId },
    task: { ...task, definition },
    initParams,
    secrets: body.secret_params,
    files: [],
    author: authorOf(identity),
    params: { try: { step: body.step, pinned: Object.keys(body.outputs).slice(0, mostNamed) } },
    unservable: refusesUnservable(call) ? 'refuse' : 'record',
  }
}

const mostNamed = 50

type RerunCall = Call<(typeof rerunContract)['rerunTrajectory']>

/** Makes a new run of a recorded one. Throws when it cannot be run again in this way. */
const prepareRerun = async (
  { database, engine, sealer, settings }: RunsDeps,
  call: RerunCall,
): Promise<{ source: string; request: RunRequest }> => {
  const { collection, task, params, body, identity } = call
  const at = { collectionId: collection.id, task: params.task, trajectoryId: params.trajectory_id }
  const source = await findRun(database, at)
  if (!source) throw new AppError('not_found', `Trajectory '${params.trajectory_id}' not found`)
  if (!task) throw new AppError('not_found', `Task '${params.task}' was deleted, so its runs cannot be run again`)
  checkParameters(body, false, settings.maxInitParamsBytes)
  const request = await rerunRequest(
    { database, engine },
    { collection, task, source },
    { ...body, init_params: await withResolvedFiles(database, collection, body.init_params) },
    { author: authorOf(identity), take: (bytes) => call.memory.take(copiesOfDocument * bytes) },
  )
  const webhook = await collectionWebhook(database, sealer, collection)
  const unservable = refusesUnservable(call) ? 'refuse' : 'record'
  return {
    source: source.id,
    request: { ...request, ...(webhook && { webhook }), secrets: body.secret_params, unservable },
  }
}
