import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { momentSchema, textSchema } from '../../model/names.ts'
import { logEventSchema } from '../../model/runs/run-events.ts'
import { runFilterFields } from '../../model/runs/run-filter.ts'
import {
  candidatesOfPage,
  runSummarySchema,
  trajectoryListSchema,
  trajectorySchema,
} from '../../model/runs/trajectory.ts'
import { settableStatuses } from '../../model/workflows/workflow.ts'

const tag = 'Trajectories'
const collectionMissing = "Task '{task}' in collection '{collection}' not found"

const largestPage = 500
const mostAgentEvents = 5_000

const viewSchema = z.enum(['full', 'summary']).default('full')

export const trajectoriesContract = {
  listTrajectories: endpoint({
    method: 'GET',
    path: '/api/v1/db/trajectories/{collection}/{task}',
    summary: 'The runs of a task, newest first',
    tag,
    collectionMissing,
    query: z.object({
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(20)
        .transform((limit) => Math.min(limit, largestPage))
        .describe(`Page size; larger values are reduced to ${largestPage}.`),
      page: z.coerce.number().int().min(1).max(1_000_000_000).default(1),
      cursor: z
        .string()
        .max(100)
        .optional()
        .describe(
          '`next_cursor` of the previous response, or empty for the first page. Every page is as fast as the first; there is no ' +
            '`total`, and `page` is ignored. With several filters, or with `q`, a page scans ' +
            `at most ${candidatesOfPage} runs: it may be short or empty while \`has_more\` is true; then request the next page.`,
        ),
      ...runFilterFields,
      view: viewSchema.describe('`summary`: without inputs, outputs, init_params and configs.'),
    }),
    response: trajectoryListSchema,
  }),
  getTrajectory: endpoint({
    method: 'GET',
    path: '/api/v1/db/trajectory/{collection}/{task}/{trajectory_id}',
    aliases: ['/api/v1/trajectory/{collection}/{task}/{trajectory_id}'],
    summary: 'One run with all its steps; it shows the progress of a running run',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    query: z.object({
      view: viewSchema.describe(
        '`summary`: steps without inputs, outputs, config and messages; `init_params` over 64 KiB by reference.',
      ),
    }),
    response: trajectorySchema,
    views: { summary: runSummarySchema },
  }),
  downloadTrajectory: endpoint({
    method: 'GET',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/download',
    summary: 'One run as a ZIP archive: trajectory.json and all its input and output files',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    response: 'bytes',
  }),
  setTrajectoryStatuses: endpoint({
    method: 'POST',
    path: '/api/v1/trajectory/{collection}/{task}/statuses',
    summary: 'Cancel active runs, or change the status of ended runs',
    tag,
    collectionMissing,
    body: z.record(textSchema.max(200), z.enum(settableStatuses)).meta({ id: 'Statuses' }),
    response: z.object({
      message: z.string(),
      updated: z.record(z.string(), z.string()),
      not_found: z.array(z.string()),
    }),
  }),
  getWorkflowLogs: endpoint({
    method: 'GET',
    path: '/api/v1/workflows-logs/{workflow_id}',
    summary: 'The log of a run, oldest entry first',
    tag,
    query: z.object({
      level: z.enum(['debug', 'info', 'warning', 'error']).optional(),
      after: momentSchema.optional().describe('Only entries after this time.'),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(1_000)
        .transform((limit) => Math.min(limit, mostAgentEvents))
        .describe(
          `Maximum number of agent events in a response, at most ${mostAgentEvents}; fewer if they are large. All other events ` +
            'of the run are on the first page.',
        ),
      cursor: z
        .string()
        .regex(/^\d{1,15}$/)
        .optional()
        .describe('`next_cursor` of the previous response; returns the agent events after it.'),
    }),
    response: z.object({
      workflow_id: z.string(),
      trajectory_id: z.string(),
      status: z.string(),
      waiting: trajectorySchema.shape.waiting,
      events: z.array(logEventSchema),
      next_cursor: z
        .string()
        .nullable()
        .describe('Cursor of the next page; null if there are no more agent events yet.'),
    }),
  }),
  watchTrajectory: endpoint({
    method: 'GET',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/events',
    summary: 'Server-sent events of one run, until it has ended; continues after `Last-Event-ID`',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    query: z.object({
      view: viewSchema.describe(
        '`summary`: the snapshot as `getTrajectory` returns it in this view, and steps without inputs, outputs, config and messages.',
      ),
    }),
    response: 'events',
  }),
}
