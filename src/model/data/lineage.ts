import { z } from 'zod'
import { runStatuses } from '../workflows/workflow.ts'

const node = { id: z.string().describe('Unique in the answer.'), label: z.string() }

const lineageNodeSchema = z
  .discriminatedUnion('type', [
    z.object({
      ...node,
      type: z.literal('item'),
      collection: z.string(),
      dataset: z.string(),
      item_id: z.string(),
      current_hash: z.string().nullable().describe('SHA-256 of its data now; null when it was removed.'),
    }),
    z.object({
      ...node,
      type: z.literal('run'),
      task: z.string(),
      trajectory_id: z.string(),
      status: z.enum(runStatuses),
      task_version: z.int().nullable().describe('Index of the version of the task that it executed.'),
      workflow_hash: z.string(),
      batch_id: z.string().nullable(),
    }),
    z.object({ ...node, type: z.literal('file'), path: z.string(), sha256: z.string().nullable() }),
    z.object({
      ...node,
      type: z.literal('dataset'),
      collection: z.string(),
      dataset: z.string(),
      version: z.int().describe('Index of the newest version.'),
    }),
    z.object({
      ...node,
      type: z.literal('model'),
      collection: z.string(),
      model: z.string(),
      version: z.int().describe('Index of the newest version.'),
    }),
    z.object({ ...node, type: z.literal('task'), collection: z.string(), task: z.string() }),
    z.object({
      ...node,
      type: z.literal('batch'),
      task: z.string(),
      batch_id: z.string(),
      status: z.enum(runStatuses),
      split: z.string().nullable(),
      total: z.int().describe('Items that it runs the task over.'),
    }),
    z.object({
      ...node,
      type: z.literal('score'),
      key: z.string(),
      value: z.string(),
      author: z.string().nullable().describe('Who set the label: a judge or a person.'),
    }),
  ])
  .meta({ id: 'LineageNode' })
export type LineageNode = z.output<typeof lineageNodeSchema>

const lineageEdgeSchema = z
  .object({
    from: z.string(),
    to: z.string(),
    kind: z
      .enum(['input', 'started', 'produced', 'scored', 'made_into', 'declared'])
      .describe(
        '`started`: a run started another one as its child. `declared`: a relationship that a client or a step declared. The server wrote all others itself.',
      ),
    dataset_version: z
      .int()
      .nullable()
      .describe(
        'For inputs: version of the dataset that the run or batch was started for. For a dataset or model that was produced: the version that the run registered.',
      ),
    item_hash: z.string().nullable().describe("For inputs: SHA-256 of the item's data then."),
    is_stale: z
      .boolean()
      .nullable()
      .describe(
        'For inputs: whether the item has other data now, or is gone; for a batch, whether the dataset has a newer version.',
      ),
  })
  .meta({ id: 'LineageEdge' })
export type LineageEdge = z.output<typeof lineageEdgeSchema>

export const lineageSchema = z
  .object({
    nodes: z.array(lineageNodeSchema),
    edges: z.array(lineageEdgeSchema).describe('From what was used to what came of it.'),
    is_complete: z.boolean().describe('False where the answer was cut at its limit.'),
  })
  .meta({ id: 'Lineage' })
