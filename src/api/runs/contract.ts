import { endpoint } from '../../http/endpoint.ts'
import { preflightQuery } from '../../model/runs/preflight.ts'
import { runFormSchema } from '../../model/runs/run-form.ts'
import { endedRunSchema, workflowResponseSchema } from '../../model/runs/trajectory.ts'

const tag = 'Runs'
const collectionMissing = "Task '{task}' in collection '{collection}' not found"

const run = {
  method: 'POST',
  tag,
  collectionMissing,
  query: preflightQuery,
  body: runFormSchema,
  isData: true,
  form: true,
  wraps: 'init_params',
  task: true,
  files: ['files'],
  idempotent: true,
  audited: false,
} as const

export const runsContract = {
  runTask: endpoint({
    ...run,
    path: '/api/v1/run/{collection}/{task}',
    summary: 'Start a run; the response follows as soon as the run is stored',
    response: workflowResponseSchema,
    errors: ['busy'],
  }),
  runTaskSync: endpoint({
    ...run,
    path: '/api/v1/run-sync/{collection}/{task}',
    summary: 'Start a run and wait until it has ended; for testing',
    response: endedRunSchema,
    errors: ['busy', 'still_running'],
  }),
}
