import { z } from 'zod'
import { trajectorySchema } from './trajectory.ts'

const { shape } = trajectorySchema

/** A run in a list over a collection: identity, end and cost, without steps. */
export const collectionRunSchema = z
  .object({
    name: shape.name,
    trajectory_id: shape.trajectory_id,
    workflow_id: shape.workflow_id,
    collection: shape.collection,
    task: shape.task,
    storage_path: shape.storage_path,
    status: shape.status,
    error: shape.error,
    created: shape.created,
    started: shape.started,
    ended: shape.ended,
    duration_seconds: shape.duration_seconds,
    cost_usd: z.number().nullable().describe('Cost of its own model calls in US dollars; null if unknown.'),
    models: z.array(z.string()).describe('Models that its steps requested, and that answered.'),
    labels: shape.labels,
    author: shape.author,
    recorded_by: shape.recorded_by,
    params: z
      .record(z.string(), z.unknown())
      .describe('`attributes.params` of the trajectory; names the parent, for example.'),
    triggered_by_routine_id: shape.triggered_by_routine_id,
    url: shape.url,
    waiting: shape.waiting, // last column of a CSV export, so that the others keep their positions
  })
  .meta({ id: 'CollectionRun' })

export type CollectionRun = z.output<typeof collectionRunSchema>

export const collectionRunsSchema = z
  .object({
    runs: z.array(collectionRunSchema),
    has_more: z.boolean(),
    next_cursor: z.string().nullable().describe('Pass as `cursor` to get the next page.'),
  })
  .meta({ id: 'CollectionRuns' })

export const largestRunPage = 500
