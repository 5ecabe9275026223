import { z } from 'zod'
import { jsonObjectSchema, textSchema, timestampSchema } from '../names.ts'

/** Longest wait of a poll that is silent meanwhile: shorter than the 60 s after which common proxies give up. */
export const silentPollSeconds = 50
/** Longest wait of a poll: 1,000 workers then make 3 polls a second. Line breaks keep the connection open meanwhile. */
export const longestPollSeconds = 300

const epochSchema = z.int().min(1).describe('`epoch` of the job, as the poll returned it.')

export const pollSchema = z
  .object({
    free: z.int().min(1).max(1_000).default(1).describe('Most jobs that the worker wants now.'),
    wait_seconds: z
      .number()
      .min(0)
      .max(longestPollSeconds)
      .default(silentPollSeconds)
      .describe(
        `How long to wait for a job before answering with none. Above ${silentPollSeconds} the server sends a line break ` +
          'about every 25 s while it waits, and the JSON after them.',
      ),
    holding: z
      .array(z.string().max(64))
      .max(2_000)
      .optional()
      .describe(
        'Ids of the jobs that the worker has, whose completion or failure was not answered yet. Other jobs that it was ' +
          'given are given again, with the same epoch: the answer with them was lost.',
      ),
  })
  .meta({ id: 'PollForJobs' })

/** A job as a worker gets it. */
const workerJobSchema = z
  .object({
    job_id: z.string(),
    epoch: z
      .int()
      .describe('Number of this hand-over. Send it with each call about the job; calls with an older one get 409.'),
    attempt: z.int().describe('1-based attempt of the step.'),
    activity: z.string(),
    version: z.string().nullable(),
    parameters: jsonObjectSchema,
    idempotency_key: z
      .string()
      .describe('The same for every attempt of the step: pass it to systems that must not act twice.'),
    traceparent: z
      .string()
      .optional()
      .describe(
        'The trace that the job belongs to, as the header of W3C has it: send it with requests of yours, or make spans below it.',
      ),
    tracestate: z.string().optional().describe('Beside `traceparent`, where the trace came with it.'),
    run: z.object({ collection: z.string(), task: z.string(), trajectory_id: z.string(), step: z.string() }),
    deadline: timestampSchema.describe('The job fails with `timed_out` at this time.'),
    lease_expires_at: timestampSchema.describe('Send a heartbeat before this time.'),
  })
  .meta({ id: 'WorkerJob' })
export type WorkerJob = z.input<typeof workerJobSchema>

export const polledSchema = z
  .object({
    jobs: z.array(workerJobSchema),
    drain: z.boolean().describe('Whether the worker gets no more jobs: finish those in hand, and exit.'),
  })
  .meta({ id: 'PolledJobs' })

const logSchema = z.object({
  level: z.enum(['debug', 'info', 'warning', 'error']).default('info'),
  message: textSchema.max(10_000),
})

const logsSchema = z
  .array(logSchema)
  .max(100)
  .default([])
  .describe('New lines for the log of the step. Of a job the last 200 are kept.')
export type JobLogLine = z.output<typeof logSchema>

export const heartbeatSchema = z
  .object({
    epoch: epochSchema,
    progress: z.number().min(0).max(1).nullish().describe('How much is done, from 0 to 1.'),
    message: textSchema.max(1_000).nullish().describe('What the worker is doing.'),
    logs: logsSchema,
  })
  .meta({ id: 'JobHeartbeat' })
export type JobHeartbeat = z.output<typeof heartbeatSchema>

export const heartbeatAnswerSchema = z
  .object({
    cancelled: z.boolean().describe('Whether nobody needs the job any more: stop it. It need not be completed.'),
    lease_expires_at: timestampSchema,
  })
  .meta({ id: 'JobHeartbeatAnswer' })

export const completeJobSchema = z
  .object({ epoch: epochSchema, outputs: jsonObjectSchema.default({}), logs: logsSchema })
  .meta({ id: 'CompleteJob' })
export type CompleteJob = z.output<typeof completeJobSchema>

export const failJobSchema = z
  .object({
    epoch: epochSchema,
    error: textSchema.min(1).max(20_000).describe('What failed, for people.'),
    retryable: z.boolean().default(false).describe('Whether another attempt may succeed.'),
    retry_after_seconds: z.number().min(0).max(86_400).nullish().describe('Seconds before the next attempt.'),
    logs: logsSchema,
  })
  .meta({ id: 'FailJob' })
export type FailJob = z.output<typeof failJobSchema>

export const settledJobSchema = z
  .object({ status: z.enum(['completed', 'failed']).describe('What is recorded of the job.') })
  .meta({ id: 'SettledJob' })
