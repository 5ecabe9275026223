import type { StartedRun } from '../../engine/engine.ts'
import type { RunRow } from '../../store/runs/runs.ts'

/** The row of a run as it was in the first answer to the call that started it. */
export const asFirstAnswered = (run: RunRow): RunRow => ({
  ...run,
  status: 'pending',
  error: null,
  labels: '[]',
  started_at: null,
  ended_at: null,
})

/**
 * The row of a run at the moment it was accepted. It makes no query, since the database may have become unavailable.
 */
export const asAccepted = (started: StartedRun): RunRow => ({
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
  init_params_bytes: started.initParams.length,
  author: started.author,
  recorded_by: started.author,
  status: 'pending',
  error: null,
  labels: '[]',
  params: started.more?.params ?? null,
  ingested: false,
  waiting: null,
  routine_id: started.more?.routine_id ?? null,
  webhook_url: started.more?.webhook_url ?? null,
  refusal: started.more?.refusal ?? null,
  changed: 0,
  created_at: new Date(started.createdMs),
  started_at: null,
  ended_at: null,
})
