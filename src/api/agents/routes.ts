import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { createAgent, deleteAgent, findAgent, listAgents, updateAgent } from '../../store/agents.ts'
import type { Database } from '../../store/database/database.ts'
import { shownAgent } from '../collections/serialize.ts'
import { agentsContract } from './contract.ts'

export interface AgentsDeps {
  database: Database
}

const taken = (name: string, collection: FoundCollection) =>
  new AppError('already_exists', `Agent with name '${name}' already exists in collection '${collection.name}'`)

const missing = () => new AppError('not_found', 'Agent not found')

export const agentsRoutes = ({ database }: AgentsDeps): Route[] =>
  implement(agentsContract, {
    listAgents: async ({ collection, query }) => (await listAgents(database, collection.id, query)).map(shownAgent),

    createAgent: async ({ collection, body, note }) => {
      const row = await createAgent(database, collection.id, { name: body.name, type: body.type ?? null })
      if (!row) throw taken(body.name, collection)
      note({ target: `${collection.name}/${row.name}`, changes: { type: row.type } })
      return shownAgent(row)
    },

    getAgent: async ({ collection, params }) => {
      const row = await findAgent(database, collection.id, params.agent)
      if (row) return shownAgent(row)
      throw new AppError('not_found', `Agent '${params.agent}' in collection '${collection.name}' not found`)
    },

    updateAgent: async ({ collection, params, body }) => {
      const row = await updateAgent(database, { collectionId: collection.id, name: params.agent }, body)
      if (row === 'taken') throw taken(body.name ?? params.agent, collection)
      if (!row) throw missing()
      return shownAgent(row)
    },

    deleteAgent: async ({ collection, params }) => {
      if (!(await deleteAgent(database, collection.id, params.agent))) throw missing()
      return { message: 'Agent deleted successfully' }
    },
  })
