import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { numberCursorSchema, timestampSchema } from '../../model/names.ts'
import {
  experimentRequestSchema,
  experimentSchema,
  experimentSummarySchema,
  plannedExperimentSchema,
} from '../../model/runs/experiment.ts'

const tag = 'Experiments'
const one = '/api/v1/experiments/{collection}/{experiment_id}'
const collectionMissing = "Experiment '{experiment_id}' not found"
const largestPage = 500

const itemsQuery = z.object({
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  limit: z.coerce
    .number()
    .int()
    .min(0)
    .default(100)
    .transform((limit) => Math.min(limit, largestPage))
    .describe(`Items per page, at most ${largestPage}; 0: only the summary.`),
})

export const experimentsContract = {
  startExperiment: endpoint({
    method: 'POST',
    path: '/api/v1/run-experiment/{collection}/{task}',
    aliases: ['/api/v1/experiments/{collection}/{task}'],
    summary:
      'Try another version of a task on recorded runs: only what differs is executed, nothing that writes is repeated',
    tag,
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    body: experimentRequestSchema,
    task: true,
    idempotent: true,
    response: plannedExperimentSchema,
  }),
  listExperiments: endpoint({
    method: 'GET',
    path: '/api/v1/experiments/{collection}',
    summary: 'The experiments of a collection, newest first',
    tag,
    query: z.object({
      task: z.string().max(128).optional().describe('Only experiments with this task.'),
      limit: z.coerce.number().int().min(1).max(100).default(20),
      cursor: numberCursorSchema,
    }),
    response: z
      .object({
        experiments: z.array(experimentSummarySchema),
        has_more: z.boolean(),
        next_cursor: z.string().nullable(),
      })
      .meta({ id: 'ExperimentPage' }),
  }),
  getExperiment: endpoint({
    method: 'GET',
    path: one,
    summary: 'What a candidate changed: verdicts by judge, and items, worst first; partial while it runs',
    tag,
    collectionMissing,
    query: itemsQuery,
    response: experimentSchema,
  }),
  resumeExperiment: endpoint({
    method: 'POST',
    path: `${one}/resume`,
    summary: 'Let a stopped experiment go on, with another bound; what has ended is not executed again',
    tag,
    collectionMissing,
    body: z.object({
      bound_usd: z.number().min(0).max(1_000_000).nullable().describe('The new bound in US dollars; null: none.'),
    }),
    response: experimentSummarySchema,
    errors: ['conflict'],
  }),
  cancelExperiment: endpoint({
    method: 'POST',
    path: `${one}/cancel`,
    summary: 'Stop an experiment: cancel its runs and start no more',
    tag,
    collectionMissing,
    response: z.object({ experiment_id: z.string(), state: z.string(), ended: timestampSchema.nullable() }),
  }),
}
