import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { runTriggerMeaning } from './run-filter.ts'
import { runTriggers } from './run-lists.ts'
import { runCountsSchema } from './run-totals.ts'
import { trajectorySchema } from './trajectory.ts'

const { shape } = trajectorySchema

/** The reason why an open run waits. */
const runWaits = ['turn', 'approval', 'children', 'event', 'time'] as const

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
    // New members stand last, so that the columns of a CSV export keep their positions.
    waiting: shape.waiting,
    trigger: z.enum(runTriggers).describe(`What started it. ${runTriggerMeaning}`),
    task_version: z.string().describe('Id of the workflow that it executes, as `origin.task_version` of its steps.'),
    version_number: z
      .int()
      .nullable()
      .describe('Index of the version in the history of its task; null where the task or the version is gone.'),
    tokens: z.int().nullable().describe('Of its own model calls; null where none are recorded.'),
    steps: z
      .object({ done: z.int(), total: z.int() })
      .describe('Steps that ended and did not fail, and steps of the workflow. Each iteration of a loop counts.'),
    waiting_for: z
      .enum(runWaits)
      .nullable()
      .describe(
        'What an open run waits for; null: it executes, or has ended. `turn`: a free slot. `approval`: a person. ' +
          '`children`: runs that it started. `event`: an event from outside. `time`: the end of a pause.',
      ),
    children: z
      .object({ total: z.int(), by_status: runCountsSchema })
      .nullable()
      .describe('Runs that it started itself; null for a run without any.'),
    input_preview: z
      .string()
      .nullable()
      .describe('Its init_params in one short line, which tells child runs apart; null for large ones, or for none.'),
  })
  .meta({ id: 'CollectionRun' })

export type CollectionRun = z.output<typeof collectionRunSchema>

export const collectionRunsSchema = z
  .object({
    runs: z.array(collectionRunSchema),
    has_more: z.boolean(),
    looked_until: timestampSchema
      .nullable()
      .describe(
        'How far back the page looked: the next one continues with runs created before (or after, with `order=asc`). ' +
          'null: to the end, or the list is not sorted by `created`.',
      ),
    next_cursor: z.string().nullable().describe('Pass as `cursor` to get the next page.'),
  })
  .meta({ id: 'CollectionRuns' })

export const largestRunPage = 500
