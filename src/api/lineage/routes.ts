import { implement, type Route } from '../../http/implement.ts'
import type { Database } from '../../store/database/database.ts'
import { addAroundEntity } from './around-entity.ts'
import { addAroundRuns } from './around-runs.ts'
import { lineageContract } from './contract.ts'
import { makeGraph } from './graph.ts'
import { lineageStart } from './start.ts'

export interface LineageDeps {
  database: Database
}

const mostRuns = 100

export const lineageRoutes = ({ database }: LineageDeps): Route[] =>
  implement(lineageContract, {
    getLineage: async ({ collection, identity, query }) => {
      const { runs, entity } = await lineageStart(database, collection, query, mostRuns)
      const graph = makeGraph()
      const scope = { database, collectionId: collection.id, identity }
      const isWhole = await addAroundRuns(graph, scope, runs.slice(0, mostRuns))
      const isAround = entity ? await addAroundEntity(database, graph, { entity, collection, identity }) : true
      const { nodes, edges } = graph.result()
      const known = new Set(nodes.map(({ id }) => id))
      const isComplete = isWhole && isAround && runs.length <= mostRuns
      return { nodes, edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)), is_complete: isComplete }
    },
  })
