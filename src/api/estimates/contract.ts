import { endpoint } from '../../http/endpoint.ts'
import { estimateRequestSchema, estimateSchema } from '../../model/runs/estimate.ts'

export const estimatesContract = {
  estimateTask: endpoint({
    method: 'POST',
    path: '/api/v1/estimates/{collection}/{task}',
    summary: 'What runs of a task, a batch or an evaluation would cost and take, from recorded runs; starts nothing',
    tag: 'Runs',
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    body: estimateRequestSchema,
    access: 'read',
    task: true,
    audited: false,
    response: estimateSchema,
  }),
}
