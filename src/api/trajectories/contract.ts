import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { momentSchema, textSchema } from '../../model/names.ts'
import { logEventSchema } from '../../model/runs/run-events.ts'
import { runFilterFields } from '../../model/runs/run-filter.ts'
import { candidatesOfPage, trajectoryListSchema, trajectorySchema } from '../../model/runs/trajectory.ts'
import { settableStatuses } from '../../model/workflows/workflow.ts'

const tag = 'Trajectories'
const collectionMissing = "Task '{task}' in collection '{collection}' not found"

const largestPage = 500
const mostAgentEvents = 5_000

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
        .describe(`At most ${largestPage}; more is taken as that.`),
      page: z.coerce.number().int().min(1).max(1_000_000_000).default(1),
      cursor: z
        .string()
        .max(100)
        .optional()
        .describe(
          '`next_cursor` of the answer before, or empty to begin: every page is as quick as the first, there is no ' +
            '`total`, and `page` does not count. Where several filters come together, or with `q`, a page looks at ' +
            `${candidatesOfPage} runs at most: it may be short or empty while \`has_more\` is true; go on then.`,
        ),
      ...runFilterFields,
      view: z
        .enum(['full', 'summary'])
        .default('full')
        .describe('`summary`: without inputs, outputs, init_params and configs.'),
    }),
    response: trajectoryListSchema,
  }),
  getTrajectory: endpoint({
    method: 'GET',
    path: '/api/v1/db/trajectory/{collection}/{task}/{trajectory_id}',
    aliases: ['/api/v1/trajectory/{collection}/{task}/{trajectory_id}'],
    summary: 'One run, whole; it reflects progress while the run goes on',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    response: trajectorySchema,
  }),
  downloadTrajectory: endpoint({
    method: 'GET',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/download',
    summary: 'One run as a ZIP archive: trajectory.json, and every file that was sent with it or made by it',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    response: 'bytes',
  }),
  setTrajectoryStatuses: endpoint({
    method: 'POST',
    path: '/api/v1/trajectory/{collection}/{task}/statuses',
    summary: 'Cancel active runs, or give ended ones another status',
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
    summary: 'What happened in a run, oldest first',
    tag,
    query: z.object({
      level: z.enum(['debug', 'info', 'warning', 'error']).optional(),
      after: momentSchema.optional().describe('Only what is later than this moment.'),
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(1_000)
        .transform((limit) => Math.min(limit, mostAgentEvents))
        .describe(
          `Events of coding agents in one answer, fewer where they are large; at most ${mostAgentEvents}. What else ` +
            'happened in the run is whole on the first page.',
        ),
      cursor: z
        .string()
        .regex(/^\d{1,15}$/)
        .optional()
        .describe('`next_cursor` of the answer before: gives the events of agents that come after it.'),
    }),
    response: z.object({
      workflow_id: z.string(),
      trajectory_id: z.string(),
      status: z.string(),
      waiting: trajectorySchema.shape.waiting,
      events: z.array(logEventSchema),
      next_cursor: z.string().nullable().describe('null: agents did no more so far.'),
    }),
  }),
  watchTrajectory: endpoint({
    method: 'GET',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/events',
    summary: 'Server-sent events of one run, until it has ended; goes on after `Last-Event-ID`',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    response: 'events',
  }),
}
