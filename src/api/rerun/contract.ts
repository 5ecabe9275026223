import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { jsonObjectSchema, textSchema } from '../../model/names.ts'
import { preflightModeSchema, preflightQuery } from '../../model/runs/preflight.ts'
import { workflowResponseSchema } from '../../model/runs/trajectory.ts'

const rerunSchema = z
  .strictObject({
    from_step: textSchema
      .max(200)
      .optional()
      .describe(
        'The first step to execute; earlier steps keep their recorded results. In a parallel workflow, the steps ' +
          'that do not depend on it keep theirs. If omitted, every step is executed.',
      ),
    init_params: jsonObjectSchema
      .default({})
      .describe('Parameters that override the init_params of the recorded run, key by key.'),
    secret_params: z
      .record(z.string(), z.string())
      .default({})
      .describe('Secrets of this run only; those of the recorded run were deleted at its end.'),
    preflight: preflightModeSchema,
    version: z
      .enum(['same', 'current'])
      .default('same')
      .describe('`same`: the workflow that the recorded run executed. `current`: the current workflow of the task.'),
    mode: z
      .enum(['run', 'replay'])
      .default('run')
      .describe(
        '`replay`: results of models, judges, images and the network come from the recording, without any call; ' +
          'a step with other inputs fails and names what differs.',
      ),
  })
  .prefault({})
  .meta({ id: 'Rerun' })

export const rerunContract = {
  rerunTrajectory: endpoint({
    method: 'POST',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/rerun',
    summary:
      'Run a run again: from any step, with other parameters or another version, or as a replay of its recording',
    tag: 'Runs',
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    access: 'write',
    task: true,
    query: preflightQuery,
    body: rerunSchema,
    idempotent: true,
    audited: false,
    response: workflowResponseSchema,
    errors: ['busy', 'conflict', 'model_unavailable'],
  }),
}
