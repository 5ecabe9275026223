import { z } from 'zod'
import { endpointTool } from '../endpoint-tool.ts'
import { composedTool } from '../tool.ts'

export const collectionTools = [
  endpointTool({
    name: 'list-collections',
    title: 'List collections',
    description: 'Lists the collections that the key covers. Start here: every other tool needs a collection name.',
    operation: 'listCollections',
    takes: ['limit', 'skip'],
    show: (answer: { name: string; description?: string | null }[]) =>
      answer.map(({ name, description }) => ({ name, description: description ?? null })),
    shows: z.object({ collections: z.array(z.unknown()) }),
  }),
  endpointTool({
    name: 'get-collection',
    title: 'Get collection',
    description:
      'Shows one collection with the names of its environment variables. Values are masked; they never leave the server.',
    operation: 'getCollection',
    takes: ['collection'],
  }),
  endpointTool({
    name: 'get-trial-status',
    title: 'Get trial status',
    description: 'Shows whether the collection may use provider keys of the server, and how much of its trial is left.',
    operation: 'getTrial',
    takes: ['collection'],
  }),
  endpointTool({
    name: 'activate-trial',
    title: 'Activate trial',
    description: 'Starts the one trial of a collection, in which runs use provider keys of the server.',
    operation: 'activateTrial',
    takes: ['collection'],
  }),
  composedTool({
    name: 'check-secrets',
    title: 'Check secrets',
    description:
      'Compares the environment variables that a runbook or workflow needs with those that the collection has. Names only.',
    operations: ['getEnvironment'],
    input: z.strictObject({
      collection: z.string().min(1).describe('Collection name.'),
      required_keys: z.array(z.string()).max(200).describe('Names of the variables that are needed.'),
    }),
    output: z.object({ configured: z.array(z.string()), missing: z.array(z.string()), ready: z.boolean() }),
    run: async ({ call }, { collection, required_keys: required }) => {
      const answer = await call('getEnvironment', { params: { collection } })
      const { environment_variables: variables } = answer as { environment_variables: Record<string, string> }
      const configured = Object.keys(variables)
      const missing = required.filter((one) => !configured.includes(one))
      return { value: { configured, missing, ready: missing.length === 0 } }
    },
  }),
  endpointTool({
    name: 'set-environment-vars',
    title: 'Set environment variables',
    description:
      'Sets environment variables of a collection, such as provider keys. A value replaces an earlier one for good, and null deletes the variable; others stay as they are. Runs that start later use them.',
    operation: 'setEnvironment',
    takes: ['collection', 'variables=environment_variables'],
    isDestructive: true, // an earlier value is gone
    simpler: {
      variables: z.record(z.string(), z.string().nullable()).describe('Values by name; null deletes the variable.'),
    },
  }),
]
