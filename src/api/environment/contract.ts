import { endpoint } from '../../http/endpoint.ts'
import { environmentSchema, setEnvironmentSchema, variablesSchema } from '../../model/collections/environment.ts'

export const environmentContract = {
  getEnvironment: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/environment',
    summary: 'The environment variables, with masked values',
    tag: 'Collections',
    response: environmentSchema,
  }),
  listVariables: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/environment/variables',
    summary: 'The names of the environment variables: who set each, and which tasks use it',
    tag: 'Collections',
    response: variablesSchema,
  }),
  setEnvironment: endpoint({
    method: 'PATCH',
    path: '/api/v1/collections/{collection}/environment',
    summary: 'Set or delete environment variables; runs that start later use them',
    tag: 'Collections',
    body: setEnvironmentSchema,
    wraps: 'environment_variables',
    response: environmentSchema,
  }),
}
