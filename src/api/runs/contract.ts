import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { jsonObjectSchema } from '../../model/names.ts'
import { trajectorySchema, workflowResponseSchema } from '../../model/trajectory.ts'
import { flagSchema, jsonFieldSchema, laterSchema } from './fields.ts'

const tag = 'Runs'
const collectionMissing = "Task '{task}' in collection '{collection}' not found"

const runForm = z
  .object({
    init_params: jsonFieldSchema('init_params', jsonObjectSchema).describe(
      "JSON object; merged over the task's init_params, key by key.",
    ),
    secret_params: jsonFieldSchema('secret_params', z.record(z.string(), z.string())).describe(
      'JSON object of strings: part of the environment of this run only, never stored in clear.',
    ),
    use_trial_keys: flagSchema,
    webhook_url: laterSchema('webhook_url'),
    webhook_secret: laterSchema('webhook_secret'),
    subscription_credential: laterSchema('subscription_credential'),
  })
  .meta({ id: 'RunForm' })

const run = { method: 'POST', tag, collectionMissing, body: runForm, form: true, files: ['files'] } as const

export const runsContract = {
  runTask: endpoint({
    ...run,
    path: '/api/v1/run/{collection}/{task}',
    summary: 'Start a run; answered as soon as it is on disk',
    response: workflowResponseSchema,
    errors: ['busy'],
  }),
  runTaskSync: endpoint({
    ...run,
    path: '/api/v1/run-sync/{collection}/{task}',
    summary: 'Start a run and wait for its end; for testing',
    response: trajectorySchema,
    errors: ['busy', 'still_running'],
  }),
}
