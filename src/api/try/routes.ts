import type { Engine, RunRequest } from '../../engine/engine.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { getOwnTask } from '../../model/runs/own-tasks.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import { tryTask } from '../../model/runs/try.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { currentEnvironment } from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { definitionHash, taskForRecords } from '../../store/tasks/tasks.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { acceptedReply, checkParameters, startRunOnce } from '../runs/start.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { tryContract } from './contract.ts'

export interface TryDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  settings: { maxInitParamsBytes: number }
}

type TryCall = Call<(typeof tryContract)['tryStep']>

export const tryRoutes = (deps: TryDeps): Route[] =>
  implement(tryContract, {
    tryStep: async (call) => {
      const run = await startRunOnce(deps, { call, sent: call.body, prepare: () => prepare(deps, call) })
      return acceptedReply(deps, run, call.memory)
    },
  })

const prepare = async ({ database, engine, settings }: TryDeps, call: TryCall): Promise<RunRequest> => {
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
