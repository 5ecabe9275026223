import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { routableModelSchema, routableModelsSchema } from '../../model/gateway/routable-model.ts'

const query = z.object({
  collection: z
    .string()
    .optional()
    .describe(
      'Whose environment counts; the header X-Jetty-Collection says the same. Without it: the home collection of ' +
        'the key; for the admin token, what needs no key.',
    ),
})

export const routableModelsContract = {
  listRoutableModels: endpoint({
    method: 'GET',
    path: '/v1/models',
    aliases: ['/models'],
    summary:
      'The models that the keys in the environment of a collection reach now, for clients of OpenAI and Anthropic',
    tag: 'Chat',
    query,
    response: routableModelsSchema,
    errors: ['not_found'],
    errorBody: 'openai',
    apiKeyHeader: true,
  }),
  getRoutableModel: endpoint({
    method: 'GET',
    path: '/v1/models/{model}',
    // Some clients encode the slashes of a name.
    aliases: ['/v1/models/{model...}', '/models/{model}', '/models/{model...}'],
    summary: 'Who would answer to the name of a model now; the name may have slashes',
    tag: 'Chat',
    query,
    response: routableModelSchema,
    errors: ['not_found'],
    errorBody: 'openai',
    apiKeyHeader: true,
  }),
}
