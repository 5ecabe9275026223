import { endpoint } from '../../http/endpoint.ts'
import { preflightQuery } from '../../model/runs/preflight.ts'
import { workflowResponseSchema } from '../../model/runs/trajectory.ts'
import { tryRequestSchema } from '../../model/runs/try.ts'

export const tryContract = {
  tryStep: endpoint({
    method: 'POST',
    path: '/api/v1/try/{collection}',
    summary: "Execute one step of a workflow with what it depends on, as a run of the server's task `_try`",
    tag: 'Runs',
    query: preflightQuery,
    body: tryRequestSchema,
    idempotent: true,
    audited: false,
    response: workflowResponseSchema,
    errors: ['busy', 'model_unavailable'],
  }),
}
