import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import {
  evaluationRequestSchema,
  evaluationSchema,
  evaluationSummarySchema,
  startedEvaluationSchema,
} from '../../model/runs/evaluation.ts'
import { preflightQuery } from '../../model/runs/preflight.ts'

const tag = 'Evaluations'
const one = '/api/v1/evaluations/{collection}/{evaluation_id}'
const collectionMissing = "Evaluation '{evaluation_id}' not found"
const largestPage = 500

const query = z.object({
  items: z
    .enum(['all', 'worse', 'better', 'failed'])
    .default('all')
    .describe('Filter of the items: worse or better than in the baseline, or without a verdict of a judge.'),
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  limit: z.coerce
    .number()
    .int()
    .min(0)
    .default(100)
    .transform((limit) => Math.min(limit, largestPage))
    .describe(`Items per page, at most ${largestPage}; 0: only the summary.`),
})
export type EvaluationQuery = z.output<typeof query>

export const evaluationsContract = {
  startEvaluation: endpoint({
    method: 'POST',
    path: '/api/v1/run-evaluation/{collection}/{task}',
    aliases: ['/api/v1/evaluations/{collection}/{task}'],
    summary:
      'Run a task for each of many items and judge every run; the response follows as soon as the evaluation is stored',
    tag,
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    query: preflightQuery,
    body: evaluationRequestSchema,
    isData: true,
    task: true,
    idempotent: true,
    audited: false,
    response: startedEvaluationSchema,
    errors: ['busy', 'model_unavailable'],
  }),
  listEvaluations: endpoint({
    method: 'GET',
    path: '/api/v1/evaluations/{collection}',
    summary: 'The evaluations of a collection, newest first',
    tag,
    query: z.object({
      task: z.string().max(128).optional().describe('Only evaluations of this task.'),
      limit: z.coerce.number().int().min(1).max(100).default(20),
      cursor: z.string().max(100).optional().describe('`next_cursor` of the previous response.'),
    }),
    response: z.object({ evaluations: z.array(evaluationSummarySchema), next_cursor: z.string().nullable() }),
  }),
  getEvaluation: endpoint({
    method: 'GET',
    path: one,
    summary: 'Scores by judge and item, with intervals and the comparison with the baseline; partial while it runs',
    tag,
    collectionMissing,
    query,
    response: evaluationSchema,
  }),
  cancelEvaluation: endpoint({
    method: 'POST',
    path: `${one}/cancel`,
    summary: 'Stop an evaluation: cancel its running runs and start no more',
    tag,
    collectionMissing,
    response: z.object({ evaluation_id: z.string(), status: z.string() }),
  }),
}
