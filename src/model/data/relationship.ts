import { z } from 'zod'
import { entityTypes } from './entity.ts'

const entityText = z.string().max(500).meta({ example: 'dataset/acme/jobs' })

export const relationshipRequestSchema = z
  .object({
    source_entity_str: entityText
      .nullable()
      .optional()
      .describe('What was used, as `type/collection/name`; types are dataset, trained_model and task.'),
    target_entity_str: entityText.describe('What was made, as `type/collection/name`.'),
    activity_name: z.string().trim().min(1).max(200).describe('How it was made, such as `training`.'),
  })
  .meta({ id: 'RelationshipRequest' })

export const relationshipSchema = z
  .object({
    id: z.int(),
    source_entity_id: z.int().nullable(),
    target_entity_id: z.int(),
    activity_name: z.string(),
    agent_id: z.int().nullable(),
  })
  .meta({ id: 'Relationship' })

/** A node of the tree of what was made from what. */
export interface ProvenanceNode {
  id: number
  name: string
  collection_name: string
  entity_type: (typeof entityTypes)[number]
  activity_name: string | null
  upstream_entities: ProvenanceNode[]
  downstream_entities: ProvenanceNode[]
}

export const provenanceNodeSchema: z.ZodType<ProvenanceNode> = z
  .object({
    id: z.int(),
    name: z.string(),
    collection_name: z.string(),
    entity_type: z.enum(entityTypes),
    activity_name: z.string().nullable().describe('Activity of the link that leads to this node.'),
    get upstream_entities() {
      return z.array(provenanceNodeSchema).describe('What it was made from.')
    },
    get downstream_entities() {
      return z.array(provenanceNodeSchema).describe('What was made from it.')
    },
  })
  .meta({
    id: 'ProvenanceEntityNode',
    description: 'An entity and what it is linked to. Each entity occurs once, where the walk meets it first.',
  })
