import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { listedFileSchema } from '../../model/file.ts'
import { textSchema } from '../../model/names.ts'
import { labelNameSchema, labelSchema, newLabelSchema } from '../../model/runs/label.ts'
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
      page: z.coerce
        .number()
        .int()
        .min(1)
        .max(1_000_000_000)
        .default(1)
        .describe(
          'Page number. The exact `total` beside it costs a look at every run of the task when there are several filters or ' +
            '`q`: use `cursor` in a task with more than 100,000 runs.',
        ),
      cursor: z
        .string()
        .max(100)
        .optional()
        .describe(
          '`next_cursor` of the previous response, or empty for the first page. Every page is as fast as the first; there is no ' +
            '`total`, and `page` is ignored. Lists with `label_not`, `top_level`, `trigger` or `version` are always read ' +
            'by cursor. With several filters, or with `q`, a page scans ' +
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
    mediaTypes: ['application/zip'],
  }),
  listRunFiles: endpoint({
    method: 'GET',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/files',
    summary: 'The files sent with a run and made by its steps, by path',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    query: z.object({
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
      cursor: textSchema.max(1_024).default('').describe('`next_cursor` of the previous response.'),
    }),
    response: z
      .object({
        files: z.array(listedFileSchema),
        next_cursor: z.string().nullable().describe('Pass it as `cursor` to get what comes after; null at the end.'),
      })
      .meta({ id: 'RunFiles' }),
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

const labels = { tag: 'Labels', collectionMissing: "Trajectory '{trajectory_id}' not found" } as const
const labelsPath = '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/labels'
const changedLabels = z.object({
  ok: z.literal(true),
  message: z.string(),
  trajectory_id: z.string(),
  labels: z
    .array(labelSchema)
    .describe('All labels of the run; if a key occurs more than once, the last one is current.'),
})

export const labelsContract = {
  addLabel: endpoint({
    method: 'POST',
    path: labelsPath,
    audited: false,
    summary: 'Set a label of a run at the end of the list; it replaces a label with the same key and author',
    ...labels,
    body: newLabelSchema,
    idempotent: true,
    response: changedLabels.extend({ label: labelSchema }),
  }),
  listLabels: endpoint({
    method: 'GET',
    path: labelsPath,
    summary: 'The labels of a run, the newest last',
    ...labels,
    response: z.object({ labels: z.array(labelSchema) }),
  }),
  deleteLabel: endpoint({
    method: 'DELETE',
    path: `${labelsPath}/{key}`,
    summary: 'Remove a label from a run, by one author or by all authors',
    ...labels,
    query: z.object({ author: labelNameSchema.optional() }),
    response: changedLabels,
  }),
}
