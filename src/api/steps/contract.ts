import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'
import { stepDetailSchema } from '../../model/runs/step.ts'
import { stepCallsSchema } from '../../model/runs/step-call.ts'

const tag = 'Trajectories'
const path = '/api/v1/trajectory/{collection}/{task}/{trajectory_id}'
const collectionMissing = "Trajectory '{trajectory_id}' not found"

const member = textSchema
  .max(100_000)
  .optional()
  .describe('Name of one member; left out, the whole object is returned.')

/** Parts of a step that contain values. */
export const stepSections = ['inputs', 'outputs', 'config'] as const

/** What can be read of a step by itself. */
const readableParts = [...stepSections, 'span'] as const

export const stepsContract = {
  getStep: endpoint({
    method: 'GET',
    path: `${path}/steps/{step}`,
    summary: 'One step of a run, by its name in `steps`; values over 64 KiB come by reference',
    tag,
    collectionMissing,
    response: stepDetailSchema,
  }),
  getStepValue: endpoint({
    method: 'GET',
    path: `${path}/steps/{step}/value`,
    summary: 'One value of a step, whole, as JSON',
    tag,
    collectionMissing,
    query: z.object({
      of: z
        .enum(readableParts)
        .default('outputs')
        .describe(
          'The part of the step. `span`: what another program sent, as it came: `{attributes, resource, events}`.',
        ),
      member,
    }),
    response: z.unknown(),
  }),
  listStepCalls: endpoint({
    method: 'GET',
    path: `${path}/steps/{step}/calls`,
    summary: 'What a chat step with tools did: answers of its model and tool calls, in order',
    tag,
    collectionMissing,
    query: z.object({
      after: z.coerce.number().int().min(-1).default(-1).describe('Number of the last record that is known.'),
      limit: z.coerce.number().int().min(1).max(200).default(100),
    }),
    response: stepCallsSchema,
  }),
  getInitParams: endpoint({
    method: 'GET',
    path: `${path}/init_params`,
    summary: 'The init_params of a run, or one member of them, whole, as JSON',
    tag,
    collectionMissing,
    query: z.object({ member }),
    response: z.unknown(),
  }),
}
