import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { stepTemplateListSchema, stepTemplateSchema } from '../../model/workflows/step-template.ts'

const tag = 'Step templates'

export const stepTemplatesContract = {
  listStepTemplates: endpoint({
    method: 'GET',
    path: '/api/v1/step-templates',
    summary:
      'All activities that a step can use, with parameters, outputs and an example; with a token also those that workers offer to its collections',
    tag,
    access: 'optional',
    query: z.object({ category: z.string().optional(), q: z.string().optional() }),
    response: stepTemplateListSchema,
  }),
  getStepTemplate: endpoint({
    method: 'GET',
    path: '/api/v1/step-templates/{activity}',
    summary: 'One activity',
    tag,
    access: 'optional',
    response: stepTemplateSchema,
    errors: ['not_found'],
  }),
}
