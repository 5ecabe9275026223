import type { Engine, RunRequest } from '../../engine/engine.ts'
import type { Call } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import { currentEnvironment } from '../../store/collections/environments.ts'
import type { Lending } from '../../store/collections/lending.ts'
import type { Database } from '../../store/database/database.ts'
import { filesOfRun } from '../../store/files/files.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { webhookOf } from '../webhooks/check-url.ts'
import type { runsContract } from './contract.ts'
import { withResolvedFiles } from './file-paths.ts'
import { checkParameters } from './parameters.ts'
import { runTrial } from './run-trial.ts'
import { startRunOnce } from './start-once.ts'
import { warnOfUnknown } from './unknown-parameters.ts'

export interface TaskRunDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  lending: Lending
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
}

export type RunCall = Call<(typeof runsContract)['runTask' | 'runTaskSync']>

/** Starts the run that a form asks for, with the files that came with it. */
export const startTaskRun = async (deps: TaskRunDeps, call: RunCall): Promise<RunRow> => {
  const { body, files } = call
  const run = await startRunOnce(deps, {
    call,
    sent: [body, files.map(({ name, sha256 }) => [name, sha256])],
    ...(body.use_trial_keys && { trial: runTrial(deps) }),
    prepare: () => requestOf(deps, call),
    started: call.keepFiles,
    found: (there) => keepOwnFiles(deps.database, there, call),
  })
  await warnOfUnknown(deps.engine, call, run)
  return run
}

const requestOf = async (deps: TaskRunDeps, call: RunCall): Promise<RunRequest> => {
  const { database, settings } = deps
  const { collection, task, params, body, files, identity } = call
  if (!task) throw missingTask(params.task, collection.name)
  // Read again after an upload, which may take long: the environment may have a new version, and the collection may be
  // deleted.
  const environmentId = files.length > 0 ? await currentEnvironment(database, collection.id) : task.environment_id
  if (environmentId === undefined) throw new AppError('not_found', 'Collection not found')
  checkParameters(body, files.length > 0, settings.maxInitParamsBytes)
  const webhook = await webhookOf(deps, body, collection)
  return {
    collection: { ...collection, environmentId },
    task,
    initParams: await withResolvedFiles(database, collection, body.init_params),
    secrets: body.secret_params,
    files: files.map((file) => ({ ...file, contentType: file.content_type })),
    author: authorOf(identity),
    ...(webhook && { webhook }),
    unservable: refusesUnservable(call) ? 'refuse' : 'record',
  }
}

/** Drops the files of a repeated request, unless the run has these very files: then this call started it. */
const keepOwnFiles = async (database: Database, run: RunRow, { files, keepFiles }: RunCall): Promise<void> => {
  const [first] = files
  if (first && (await filesOfRun(database, run.id)).some(({ object }) => object === first.object)) keepFiles()
}
