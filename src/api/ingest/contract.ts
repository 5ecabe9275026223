import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { momentSchema, textSchema } from '../../model/names.ts'
import { labelNameSchema, labelSchema, labelValueSchema } from '../../model/runs/label.ts'

/** Trajectory ids that need no encoding in a path. */
const trajectoryIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,200}$/, 'An id has 1 to 200 letters, digits, dots, underscores, colons or hyphens')
  .refine((id) => id !== '.' && id !== '..', 'An id stands in paths, where . and .. mean something else')

const endedStatuses = ['completed', 'failed', 'cancelled', 'archived'] as const
const statusSchema = z.enum(
  endedStatuses,
  `Expected one of ${endedStatuses.join(', ')}: what is sent in has ended already`,
)

/** A run executed elsewhere; every field may be omitted or null. */
export const ingestSchema = z
  .object({
    input: z.unknown().optional().describe('Any JSON; becomes init_params.input.'),
    output: z.unknown().optional().describe('Any JSON; becomes steps.eval.outputs.output.'),
    status: statusSchema.nullish().describe('How it ended; completed where it is left out.'),
    scores: z.record(z.string(), z.number()).nullish().describe('Each becomes a label `score.<name>`.'),
    labels: z.record(z.string(), labelValueSchema).nullish().describe('Become labels of the run as they are.'),
    cost_usd: z.number().nullish().describe('Becomes the label `cost_est_usd`.'),
    trajectory_id: trajectoryIdSchema
      .nullish()
      .describe(
        'If this task has an ingested run with the id, it is overwritten. Left out, a new id is drawn, and a repetition is another run unless it has the same Idempotency-Key.',
      ),
    source: textSchema.nullish().describe('Where it comes from; stands in attributes.params.'),
    eval_id: textSchema.nullish().describe('Stands in attributes.params.'),
    metadata: z.record(z.string(), z.unknown()).nullish().describe('Merged into attributes.params.'),
    author: labelNameSchema.nullish().describe('Author of the run and of the labels that come with it; `ingest`.'),
    created: momentSchema
      .nullish()
      .describe('When it began; left out, an overwritten run keeps what it has, and another began now.'),
    completed: momentSchema.nullish().describe('When it ended; left out, now.'),
  })
  .meta({ id: 'Ingest' })

export const ingestContract = {
  ingestTrajectory: endpoint({
    method: 'POST',
    path: '/api/v1/trajectories/{collection}/{task}/ingest',
    summary: 'Record a run that was executed elsewhere; nothing is executed here',
    tag: 'Trajectories',
    audited: false,
    body: ingestSchema,
    idempotent: true,
    response: z.object({
      trajectory_id: z.string(),
      name: z.string(),
      storage_path: z.string(),
      status: statusSchema,
      labels: z.array(labelSchema),
    }),
    errors: ['conflict'],
  }),
}
