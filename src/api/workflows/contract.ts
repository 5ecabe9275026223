import { endpoint } from '../../http/endpoint.ts'
import { workflowCheckRequestSchema, workflowCheckSchema } from '../../model/workflows/workflow-check.ts'

export const workflowsContract = {
  checkWorkflow: endpoint({
    method: 'POST',
    path: '/api/v1/workflows/check',
    summary: 'The faults of a workflow with JSON Pointers, its steps, and the origins of each parameter',
    tag: 'Tasks',
    access: 'read',
    body: workflowCheckRequestSchema,
    response: workflowCheckSchema,
    errors: ['not_found'],
  }),
}
