import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { routableModelsSchema } from '../../model/routable-model.ts'

export const routableModelsContract = {
  listRoutableModels: endpoint({
    method: 'GET',
    path: '/v1/models',
    summary: 'The models that the keys in the environment of a collection reach now, in the shape of OpenAI',
    tag: 'Chat',
    query: z.object({
      collection: z
        .string()
        .optional()
        .describe(
          'Whose environment counts; the header X-Jetty-Collection says the same. Without it: all that a key covers; ' +
            'for the admin token, what needs no key.',
        ),
    }),
    response: routableModelsSchema,
    errors: ['not_found'],
    errorBody: 'openai',
  }),
}
