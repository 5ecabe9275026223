import { requireMatch } from '../../http/entity-tag.ts'
import { implement, type Route } from '../../http/implement.ts'
import type { CallMemory } from '../../http/input/memory.ts'
import { empty, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, coveredIds, covers, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { ProvenanceNode } from '../../model/data/relationship.ts'
import { createAgent, deleteAgent, findAgent, listAgents, updateAgent } from '../../store/agents.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { type EntityRow, findEntity, searchEntities } from '../../store/entities/entities.ts'
import { entityVersions } from '../../store/entities/entity-versions.ts'
import {
  deleteRelationship,
  type EntityNode,
  ensureRelationship,
  findNode,
  type RelationshipRow,
  readNodes,
  relationshipsOf,
} from '../../store/entities/relationships.ts'
import { createEntity, deleteEntity, updateEntity } from '../../store/entities/write-entity.ts'
import { shownAgent } from '../collections/serialize.ts'
import { getEntityVersion, historyText, versionText } from '../versions.ts'
import { entitiesContract } from './contract.ts'
import { emptyFields, storedFields } from './fields.ts'
import {
  auditEntity,
  entityHit,
  entityListText,
  getEntity,
  getVisibleEntity,
  type StoreEntityDeps,
  storeWithin,
} from './find.ts'
import { entityText, stateTag } from './serialize.ts'

const mostNodes = 1000
const mostLinksAtOnce = 5000

const keyOf = (type: 'task' | 'entity', id: number) => `${type}:${id}`
const nodeKey = ({ type, id }: Pick<EntityNode, 'type' | 'id'>) => keyOf(type === 'task' ? 'task' : 'entity', id)

const endsOf = (link: RelationshipRow) => {
  const end = (entity: number | null, task: number | null) =>
    entity !== null ? keyOf('entity', entity) : task !== null ? keyOf('task', task) : undefined
  return {
    source: end(link.source_entity_id, link.source_task_id),
    target: end(link.target_entity_id, link.target_task_id),
  }
}

const shownNode = ({ id, name, collection_name, type }: EntityNode, activity: string | null): ProvenanceNode => ({
  id,
  name,
  collection_name,
  entity_type: type,
  activity_name: activity,
  upstream_entities: [],
  downstream_entities: [],
})

const idsOf = (keys: Iterable<string>, type: 'task' | 'entity'): number[] =>
  [...keys].filter((key) => key.startsWith(`${type}:`)).map((key) => Number(key.slice(type.length + 1)))

/**
 * Walks the links from one entity up and down, level by level, and returns the tree. Each entity occurs once. Entities
 * that `isVisible` refuses are left out with all that only they lead to.
 */
const provenanceTree = async (
  queries: Queries,
  start: EntityNode,
  isVisible: (node: EntityNode) => boolean,
): Promise<ProvenanceNode> => {
  const root = shownNode(start, null)
  const seen = new Map([[nodeKey(start), root]])
  let level = new Set([nodeKey(start)])
  while (level.size > 0 && seen.size < mostNodes) {
    const at = { entityIds: idsOf(level, 'entity'), taskIds: idsOf(level, 'task'), limit: mostLinksAtOnce }
    const links = (await relationshipsOf(queries, at)).map((link) => ({
      ...endsOf(link),
      activity: link.activity_name,
    }))
    const unknown = new Set(links.flatMap(({ source, target }) => [source ?? '', target ?? '']))
    for (const key of seen.keys()) unknown.delete(key)
    const found = await readNodes(queries, idsOf(unknown, 'entity'), idsOf(unknown, 'task'))
    const nodes = new Map(found.filter(isVisible).map((node) => [nodeKey(node), node]))
    const next = new Set<string>()
    const add = (parent: string | undefined, child: string | undefined, side: 'up' | 'down', activity: string) => {
      const from = parent !== undefined && level.has(parent) ? seen.get(parent) : undefined
      const node = child === undefined || seen.has(child) || seen.size >= mostNodes ? undefined : nodes.get(child)
      if (!from || !node || child === undefined) return
      const made = shownNode(node, activity)
      seen.set(child, made)
      next.add(child)
      from[side === 'up' ? 'upstream_entities' : 'downstream_entities'].push(made)
    }
    for (const { source, target, activity } of links) {
      add(target, source, 'up', activity)
      add(source, target, 'down', activity)
    }
    level = next
  }
  return root
}

const gone = () => new AppError('not_found', 'One of the two entities has been deleted')
const upper = (word: string) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`

/** Whether a caller may see an entity: it is public, or in a collection that the token covers. */
const isVisibleTo =
  (identity: Identity | undefined) =>
  (node: EntityNode): boolean =>
    !node.is_private || (identity !== undefined && covers(identity, node.collection_id))

/** An end as `type/collection/name`. Unknown and foreign ones get the same error. */
const readEnd = async (
  database: Database,
  role: 'source' | 'target' | 'starting',
  text: string,
  mayUse: (node: EntityNode) => boolean,
): Promise<EntityNode> => {
  const [type, collection, name, ...rest] = text.split('/')
  if (!type || !collection || !name || rest.length > 0) {
    throw new AppError(
      'bad_request',
      `Invalid ${role} entity string format: '${text}'. Expected '{entity_type}/{collection_name}/{entity_name}'.`,
    )
  }
  const node = await findNode(database, { type, collection, name })
  if (node && mayUse(node)) return node
  throw new AppError(
    'not_found',
    `${upper(role)} entity '${name}' of type '${type}' not found in collection '${collection}'.`,
  )
}

const agentTaken = (name: string, collection: FoundCollection) =>
  new AppError('already_exists', `Agent with name '${name}' already exists in collection '${collection.name}'`)

const agentMissing = () => new AppError('not_found', 'Agent not found')

const kind = 'trained_model'

const taken = (name: string, collection: FoundCollection) =>
  new AppError('already_exists', `Trained model with name '${name}' already exists in collection '${collection.name}'`)

const shown = (row: EntityRow) => rawJson(entityText(row), { headers: { etag: stateTag(row) } })

export const entitiesRoutes = (deps: StoreEntityDeps): Route[] => {
  const { database } = deps
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind, name }, collection)
  const list = async (
    collectionIds: readonly number[] | undefined,
    { query, memory }: { query: { skip: number; limit: number }; memory: CallMemory },
  ) => rawJson(await entityListText(database, memory, { kind, collectionIds }, query))

  /** Reads both ends. The caller must be able to read the source and to change the target. */
  const linkOf = async (
    identity: Identity,
    body: { source_entity_str?: string | null | undefined; target_entity_str: string; activity_name: string },
  ) => {
    const given = body.source_entity_str
    const source = given ? await readEnd(database, 'source', given, isVisibleTo(identity)) : null
    const target = await readEnd(database, 'target', body.target_entity_str, (node) =>
      covers(identity, node.collection_id),
    )
    return { source, target, activity: body.activity_name }
  }
  const noted = ({ target }: { target: EntityNode }) => ({
    target: `${target.type}/${target.collection_name}/${target.name}`,
    collections: [{ id: target.collection_id, name: target.collection_name }],
  })

  return implement(entitiesContract, {
    listAllModels: (call) => list(coveredIds(call.identity), call),
    listModels: (call) => list([call.collection.id], call),

    searchModels: async ({ identity, query }) => {
      const at = { kind, collectionIds: coveredIds(identity) } as const
      return { hits: (await searchEntities(database, at, { text: query.q, limit: query.limit })).map(entityHit) }
    },

    createModel: async (call) => {
      const { collection, identity, body, bodyText } = call
      const fields = { ...emptyFields(body.name), ...storedFields(body, bodyText) }
      const at = { kind, collectionId: collection.id, author: authorOf(identity) } as const
      const row = await storeWithin(deps, call, collection.id, () => createEntity(database, at, fields))
      if (row === 'taken') throw taken(body.name, collection)
      if (row === 'gone') throw new AppError('not_found', `Collection with name '${collection.name}' not found`)
      auditEntity(call, row, body)
      return rawJson(entityText(row), { headers: { etag: stateTag(row) } })
    },

    getModel: async ({ collection, params, identity }) => {
      const at = { collection, identity, asked: params.collection }
      return shown(await getVisibleEntity(database, { kind, name: params.model }, at))
    },

    updateModel: async (call) => {
      const { collection, params, identity, body, bodyText } = call
      const found = await get(collection, params.model)
      const fields = storedFields(body, bodyText)
      const check = (before: EntityRow) => requireMatch(call, stateTag(before), `Trained model '${before.name}'`)
      const row = await storeWithin(deps, call, collection.id, () =>
        updateEntity(database, found.id, fields, { author: authorOf(identity), check }),
      )
      if (row === 'taken') throw taken(body.name ?? found.name, collection)
      if (!row) throw new AppError('not_found', 'Trained model not found')
      auditEntity(call, row, body)
      return shown(row)
    },

    deleteModel: async ({ collection, params }) => {
      const row = await findEntity(database, { kind, collectionId: collection.id, name: params.model })
      if (!row || !(await deleteEntity(database, row.id))) throw new AppError('not_found', 'Trained model not found')
      return { message: 'Trained model deleted successfully' }
    },

    listModelVersions: async ({ collection, params, query }) =>
      rawJson(await historyText(database, entityVersions, await get(collection, params.model), query)),

    getModelVersion: async ({ collection, params }) => {
      const version = await getEntityVersion(database, await get(collection, params.model), params.ref)
      return rawJson(versionText(version))
    },

    listAgents: async ({ collection, query }) => (await listAgents(database, collection.id, query)).map(shownAgent),

    createAgent: async ({ collection, body, note }) => {
      const row = await createAgent(database, collection.id, { name: body.name, type: body.type ?? null })
      if (!row) throw agentTaken(body.name, collection)
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
      if (row === 'taken') throw agentTaken(body.name ?? params.agent, collection)
      if (!row) throw agentMissing()
      return shownAgent(row)
    },

    deleteAgent: async ({ collection, params }) => {
      if (!(await deleteAgent(database, collection.id, params.agent))) throw agentMissing()
      return { message: 'Agent deleted successfully' }
    },

    createEntityRelationship: async ({ identity, body, note }) => {
      const link = await linkOf(identity, body)
      const row = await ensureRelationship(database, link, authorOf(identity))
      if (!row) throw gone()
      note({ ...noted(link), changes: { activity_name: row.activity_name } })
      return {
        id: row.id,
        source_entity_id: row.source_entity_id ?? row.source_task_id,
        target_entity_id: row.target_entity_id ?? row.target_task_id ?? 0,
        activity_name: row.activity_name,
        agent_id: row.agent_id,
      }
    },

    deleteEntityRelationship: async ({ identity, body, note }) => {
      const link = await linkOf(identity, body)
      note(noted(link))
      if (await deleteRelationship(database, link)) return empty()
      throw new AppError('not_found', 'Entity relationship not found for the specified source, target, and activity.')
    },

    getEntityUpstream: async ({ params, identity }) => {
      const text = `${params.type}/${params.collection}/${params.name}`
      const start = await readEnd(database, 'starting', text, isVisibleTo(identity))
      return provenanceTree(database, start, isVisibleTo(identity))
    },

    getDatasetUpstream: async ({ collection, params, identity }) => {
      const at = { collection, identity, asked: params.collection }
      const { kind: type, ...row } = await getVisibleEntity(database, { kind: 'dataset', name: params.dataset }, at)
      return provenanceTree(database, { ...row, type }, isVisibleTo(identity))
    },
  })
}
