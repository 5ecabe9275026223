import { z } from 'zod'
import { jsonObjectSchema, labelTextSchema, textSchema, timestampSchema } from '../names.ts'

/** Most activities of one worker. */
const mostActivities = 200
/** Maximum jobs that one worker carries out at a time. */
const mostConcurrent = 1_000

/** Names of activities of workers have a dot; activities of the server have none. So neither ever hides the other. */
const workerActivityPattern = /^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$/
const longestActivityName = 128

/** Whether an activity is carried out by workers. */
export const isWorkerActivity = (name: string): boolean =>
  name.length <= longestActivityName && workerActivityPattern.test(name)

const activityNameSchema = z
  .string()
  .max(longestActivityName)
  .regex(
    workerActivityPattern,
    'Names of worker activities have a dot, such as images.resize: names without one belong to the activities of the server',
  )

/** Name of a property that workers have and steps ask for, such as `gpu`. */
const workerLabelSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/:=-]{0,62}$/, 'Labels have at most 63 letters, digits, or any of . _ / : = -')

export const workerLabelsSchema = z.array(workerLabelSchema).max(20)

const versionSchema = labelTextSchema.max(100)

/** An activity as a worker offers it. */
const offeredActivitySchema = z
  .object({
    name: activityNameSchema,
    version: versionSchema.nullish().describe("Version of the activity. Default: the worker's."),
    description: textSchema.max(10_000).default(''),
    parameters: jsonObjectSchema.default({ type: 'object' }).describe('JSON Schema of the parameters: an object.'),
    outputs: jsonObjectSchema.default({ type: 'object' }).describe('JSON Schema of the outputs: an object.'),
    concurrency: z
      .int()
      .min(1)
      .max(mostConcurrent)
      .nullish()
      .describe('Most jobs of this activity that the worker takes at a time.'),
    timeout_seconds: z
      .number()
      .positive()
      .max(30 * 86_400)
      .nullish()
      .describe('Longest time of one attempt. `timeout_sec` of the step comes first.'),
    idempotent: z
      .boolean()
      .default(true)
      .describe('Whether a job may be given to another worker after its worker was lost. With false it fails instead.'),
  })
  .meta({ id: 'OfferedActivity' })
export type OfferedActivity = z.output<typeof offeredActivitySchema>

export const registerWorkerSchema = z
  .object({
    name: labelTextSchema.max(100).describe('Name of the worker, such as its host. Several workers may share one.'),
    version: versionSchema.nullish().describe('Version of the program.'),
    labels: workerLabelsSchema.default([]).describe('What steps can ask for with `runs_on`, such as `gpu` or `eu`.'),
    concurrency: z.int().min(1).max(mostConcurrent).default(1).describe('Maximum jobs that it takes at a time.'),
    activities: z.array(offeredActivitySchema).min(1).max(mostActivities),
  })
  .meta({ id: 'RegisterWorker' })
export type RegisterWorker = z.output<typeof registerWorkerSchema>

export const registeredWorkerSchema = z
  .object({
    worker_id: z.string(),
    lease_seconds: z.number().describe('A job without a heartbeat for this long goes to another worker.'),
    heartbeat_seconds: z.number().describe('How often to send a heartbeat for each job.'),
    poll_seconds: z
      .number()
      .describe('Longest `wait_seconds` of a poll. Behind a proxy that holds answers back, use 50.'),
  })
  .meta({ id: 'RegisteredWorker' })

const workerStateSchema = z
  .enum(['online', 'offline', 'draining', 'stopped'])
  .describe(
    '`offline`: it has not polled for a while. `draining`: it takes no more jobs. `stopped`: it has no job left.',
  )

/** A worker in the list of workers. */
export const listedWorkerSchema = z
  .object({
    worker_id: z.string(),
    name: z.string(),
    version: z.string().nullable(),
    state: workerStateSchema,
    labels: z.array(z.string()),
    concurrency: z.int(),
    jobs: z.int().describe('Jobs that it has now.'),
    activities: z.array(z.object({ name: z.string(), version: z.string().nullable() })),
    collections: z
      .array(z.string())
      .nullable()
      .describe('Collections whose jobs it takes, of those that the caller covers. null: all.'),
    registered_at: timestampSchema,
    seen_at: timestampSchema.describe('Its last poll or heartbeat; while a poll waits, at most a minute ago.'),
  })
  .meta({ id: 'ListedWorker' })
export type ListedWorker = z.input<typeof listedWorkerSchema>

export const workerPageSchema = z
  .object({ workers: z.array(listedWorkerSchema), next_cursor: z.string().nullable(), has_more: z.boolean() })
  .meta({ id: 'WorkerPage' })
