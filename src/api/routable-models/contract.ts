import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { flagSchema } from '../../model/flag.ts'
import { routableModelSchema, routableModelsSchema } from '../../model/gateway/routable-model.ts'

const query = z.object({
  collection: z
    .string()
    .optional()
    .describe(
      'Collection whose environment is used; the header X-Jetty-Collection has the same effect. Default: the home collection of ' +
        'the key; for the admin token, only models that need no key.',
    ),
  details: flagSchema.describe('Adds the calls that it answers, its context size and prices to each model.'),
})

export const routableModelsContract = {
  listRoutableModels: endpoint({
    method: 'GET',
    path: '/v1/models',
    aliases: ['/models'],
    summary:
      'The models available with the keys in the environment of a collection, in the format of OpenAI and Anthropic',
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
    summary: 'The provider that currently serves a model; the name may contain slashes',
    tag: 'Chat',
    query,
    response: routableModelSchema,
    errors: ['not_found'],
    errorBody: 'openai',
    apiKeyHeader: true,
  }),
}
