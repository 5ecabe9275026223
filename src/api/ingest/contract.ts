import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { momentSchema, textSchema } from '../../model/names.ts'
import { labelNameSchema, labelSchema, labelValueSchema } from '../../model/runs/label.ts'
import { callTokensSchema } from '../../model/runs/step-usage.ts'

/** Trajectory ids that need no encoding in a path. */
const trajectoryIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,200}$/, 'An id has 1 to 200 letters, digits, dots, underscores, colons or hyphens')
  .refine((id) => id !== '.' && id !== '..', 'An id is part of paths, so it cannot be . or ..')

const endedStatuses = ['completed', 'failed', 'cancelled', 'archived'] as const
const statusSchema = z.enum(
  endedStatuses,
  `Expected one of ${endedStatuses.join(', ')}: an ingested run has already ended`,
)

/** A run executed elsewhere; every field may be omitted or null. */
export const ingestSchema = z
  .object({
    input: z.unknown().optional().describe('Any JSON; becomes init_params.input.'),
    output: z.unknown().optional().describe('Any JSON; becomes steps.eval.outputs.output.'),
    status: statusSchema.nullish().describe('Final status of the run; default: completed.'),
    scores: z.record(z.string(), z.number()).nullish().describe('Scores by name; each becomes a label `score.<name>`.'),
    labels: z.record(z.string(), labelValueSchema).nullish().describe('Labels of the run.'),
    cost_usd: z
      .number()
      .nullish()
      .describe('Cost in US dollars; becomes the cost of the run, and the label `cost_est_usd`.'),
    usage: callTokensSchema.nullish().describe('Tokens of its model calls.'),
    trajectory_id: trajectoryIdSchema
      .nullish()
      .describe(
        'An ingested run of this task with the same id is overwritten. If omitted, a new id is generated, and a repeated request creates another run unless it has the same Idempotency-Key.',
      ),
    source: textSchema.nullish().describe('Origin of the run; stored in attributes.params.'),
    eval_id: textSchema.nullish().describe('Stored in attributes.params.'),
    metadata: z.record(z.string(), z.unknown()).nullish().describe('Merged into attributes.params.'),
    author: labelNameSchema.nullish().describe('Author of the run and of its labels; default: `ingest`.'),
    created: momentSchema
      .nullish()
      .describe(
        'Start of the run; if omitted, an overwritten run keeps its start, and a new run gets the current time.',
      ),
    completed: momentSchema.nullish().describe('End of the run; default: the current time.'),
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
    isData: true,
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
