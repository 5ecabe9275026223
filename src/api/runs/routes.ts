import type { Engine } from '../../engine/engine.ts'
import type { RunRequest, StartedRun } from '../../engine/start.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { byteSize } from '../../lib/byte-size.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json-text.ts'
import { authorOf } from '../../model/identity.ts'
import { outcomeOf, type RunRow } from '../../store/runs.ts'
import { trajectoryText, trajectoryUrl } from '../trajectories/document.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { runsContract } from './contract.ts'

export interface RunsDeps extends DocumentDeps {
  engine: Engine
  settings: { syncWaitSeconds: number; maxInitParamsBytes: number }
}

type RunCall = Call<(typeof runsContract)['runTask']> | Call<(typeof runsContract)['runTaskSync']>

const secretName = /^[A-Za-z_][A-Za-z0-9_]*$/

export const runsRoutes = (deps: RunsDeps): Route[] => {
  const { engine, settings } = deps

  const start = async ({
    collection,
    task,
    params,
    body,
    files,
    identity,
    keepFiles,
  }: RunCall): Promise<StartedRun> => {
    if (!task) throw new AppError('not_found', `Task '${params.task}' in collection '${collection.name}' not found`)
    checkParameters(body, settings.maxInitParamsBytes)
    if (files.length > 0 && !Array.isArray(body.init_params.file_paths ?? [])) {
      const message = 'file_paths must be a list when files are sent: their paths are added to it'
      throw invalidField(['body', 'init_params', 'file_paths'], message, 'list_expected')
    }
    const request: RunRequest = {
      collection: { id: collection.id, name: collection.name, environmentId: task.environment_id },
      task,
      initParams: body.init_params,
      secrets: body.secret_params,
      files: files.map((file) => ({ ...file, contentType: file.content_type })),
      author: authorOf(identity),
    }
    try {
      const started = await engine.start(request)
      keepFiles()
      return started
    } catch (error) {
      // Postgres went away with the answer: the run may be there, and then it needs its files.
      if (error instanceof AppError && error.code === 'database_unavailable') keepFiles()
      throw error
    }
  }

  return implement(runsContract, {
    runTask: async (call) => {
      const started = await start(call)
      const run = asAccepted(started)
      const document = trajectoryText(run, [], await deps.definitions(run.definition), deps.links.publicUrl)
      const head = {
        message: 'Workflow started',
        workflow_id: started.workflowId,
        trajectory_id: started.trajectoryId,
        status: 'pending',
        result: {},
        metadata: '',
        url: trajectoryUrl(run, deps.links.publicUrl),
      }
      return rawJson(`${JSON.stringify(head).slice(0, -1)},"trajectory":${document}}`)
    },

    runTaskSync: async (call) => {
      const started = await start(call)
      const inTime = await engine.wait(started.key, AbortSignal.timeout(settings.syncWaitSeconds * 1000))
      const ids = { workflow_id: started.workflowId, trajectory_id: started.trajectoryId }
      if (!inTime) {
        throw new AppError('still_running', 'Run still in progress; poll the trajectory', { extra: ids })
      }
      const outcome = await outcomeOf(deps.database, started.key)
      if (!outcome) throw new AppError('not_found', 'The run was deleted meanwhile')
      const run = { ...asAccepted(started), ...outcome.run }
      const definition = await deps.definitions(run.definition)
      const document = trajectoryText(run, outcome.steps, definition, deps.links.publicUrl)
      const last = outcome.steps.at(-1)
      const message = JSON.stringify(`Workflow ${run.status}`)
      return rawJson(
        `${document.slice(0, -1)},"message":${message},"result":${last?.outputs ?? '{}'},"metadata":"",` +
          `"trajectory":${document}}`,
      )
    },
  })
}

/** The row of a run at the moment it was accepted: known without asking the database, which may be away by now. */
const asAccepted = (started: StartedRun): RunRow => ({
  id: started.key,
  number: 0,
  trajectory_id: started.trajectoryId,
  workflow_id: started.workflowId,
  collection_id: started.collectionId,
  task_id: started.taskId,
  name: started.name,
  definition: started.shownDefinition ?? started.definition,
  version: started.definition,
  init_params: started.initParams,
  author: started.author,
  status: 'pending',
  error: null,
  labels: '[]',
  params: null,
  ingested: false,
  routine_id: null,
  changed: 0,
  created_at: new Date(started.createdMs),
  started_at: null,
  ended_at: null,
})

/** Limits that a form in JSON, or text with escapes, could slip through. */
const checkParameters = (
  body: {
    init_params: Record<string, unknown>
    secret_params: Record<string, string>
    subscription_credential?: string | null | undefined
  },
  maxBytes: number,
): void => {
  if (body.subscription_credential) {
    throw new AppError(
      'bad_request',
      'subscription_credential needs a user account; API keys and the admin have none',
      {
        hint: "Leave it out, and put a key of the provider into the collection's environment or into secret_params.",
      },
    )
  }
  const text = JSON.stringify(body.init_params)
  if (Buffer.byteLength(text) > maxBytes) {
    throw new AppError('too_large', `init_params is too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
      hint: 'Send large data as a file.',
    })
  }
  if (isDeeperThan(text, maxJsonDepth)) {
    throw invalidField(['body', 'init_params'], `init_params is nested deeper than ${maxJsonDepth} levels`, 'too_deep')
  }
  for (const name of Object.keys(body.secret_params)) {
    if (!secretName.test(name)) {
      throw invalidField(['body', 'secret_params', name], 'A name has letters, digits and _ and starts with no digit')
    }
  }
}
