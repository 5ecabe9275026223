import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { agentSchema, createAgentSchema, updateAgentSchema } from '../../model/collections/agent.ts'
import { deletedEntitySchema } from '../../model/data/entity.ts'
import { limitSchema, skipSchema } from '../../model/names.ts'

const tag = 'Agents'
const one = '/api/v1/agents/{collection}/{agent}'
const unknownCollection = "Collection with name '{collection}' not found"

export const agentsContract = {
  listAgents: endpoint({
    method: 'GET',
    path: '/api/v1/agents/{collection}',
    summary: 'The agents of a collection, oldest first: who owns or made something. Coding agents are something else',
    tag,
    collectionMissing: unknownCollection,
    query: z.object({ skip: skipSchema, limit: limitSchema }),
    response: z.array(agentSchema),
  }),
  createAgent: endpoint({
    method: 'POST',
    path: '/api/v1/agents/{collection}',
    summary: 'Create an agent',
    tag,
    collectionMissing: unknownCollection,
    body: createAgentSchema,
    response: agentSchema,
    status: 201,
    errors: ['already_exists'],
  }),
  getAgent: endpoint({
    method: 'GET',
    path: one,
    summary: 'One agent',
    tag,
    collectionMissing: "Agent '{agent}' in collection '{collection}' not found",
    response: agentSchema,
  }),
  updateAgent: endpoint({
    method: 'PUT',
    path: one,
    summary: 'Change the given fields of an agent',
    tag,
    collectionMissing: 'Agent not found',
    body: updateAgentSchema,
    response: agentSchema,
    errors: ['already_exists'],
  }),
  deleteAgent: endpoint({
    method: 'DELETE',
    path: one,
    summary: 'Delete an agent',
    tag,
    collectionMissing: 'Agent not found',
    response: deletedEntitySchema,
  }),
}
