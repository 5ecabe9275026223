import { z } from 'zod'
import { timestampSchema } from './names.ts'

const count = z.int().min(0)

/** One check of a server, with a remedy if it failed. */
const systemCheckSchema = z
  .object({
    name: z.string(),
    state: z.enum(['ok', 'warning', 'failed']),
    found: z.string().describe('What was found, in one line.'),
    remedy: z.string().nullable().describe('What to do about it; null where it is well.'),
  })
  .meta({ id: 'SystemCheck' })

const processSchema = z
  .object({
    version: z.string(),
    role: z.enum(['all', 'api', 'worker']),
    uptime_seconds: z.number(),
    node: z.string(),
    memory_bytes: count.describe('Memory that the process occupies.'),
    connections: z
      .object({ used: count, idle: count, waiting: count })
      .describe('Connections to the database, and calls that wait for one.'),
  })
  .describe('The process that answered.')

const queueSchema = z
  .object({
    open_runs: count.describe('Runs that have not ended; counted to 10,000.'),
    queued: count.describe('Batches of runs that wait for a worker; counted to 10,000.'),
    oldest_queued_at: timestampSchema.nullable(),
    parked: count.describe('Runs that wait for a time, a person or child runs; counted to 10,000.'),
    webhooks: count.describe('Webhooks to be delivered; counted to 10,000.'),
    steps: count.describe('Steps that this process executes now.'),
    slots: count.describe('Steps that it executes at most.'),
    runbooks: z.object({ working: count, waiting: count }).describe('Runbooks of this process.'),
    workers: z
      .array(
        z.object({
          id: z.string(),
          seen_at: timestampSchema,
          is_alive: z.boolean(),
          labels: z.array(z.string()).describe('Its `JETTY_LABELS`.'),
        }),
      )
      .describe('Processes that execute runs, the last seen first; at most 100.'),
  })
  .describe('What waits, and who works it off.')

const sizesSchema = z
  .object({
    measured_at: timestampSchema.describe('Sizes are at most a minute old.'),
    database_bytes: count,
    tables: z
      .array(
        z.object({
          name: z.string(),
          bytes: count.describe('With indexes.'),
          rows: count.nullable().describe('An estimate; null: never counted.'),
        }),
      )
      .describe('The largest tables, at most 30.'),
    collections: count,
    runs: count,
    file_bytes: count.describe('Files of all collections.'),
    disk_free_bytes: count.nullable().describe('Free space where files are stored; null: not known.'),
    disk_bytes: count.nullable(),
  })
  .describe('What is stored.')

const providerSchema = z.object({
  name: z.string(),
  keys: z.array(z.string()).describe('Variables that may hold its key.'),
  collections: count.describe('Collections with such a variable, among the 500 newest.'),
  is_lent: z.boolean().describe('Whether the server lends a key of it to trials.'),
  calls: count.describe('Answers and failures since this process started.'),
  failures: count.describe('Refused keys, exhausted limits, faults of the provider, and no answer at all.'),
  last_answer_at: timestampSchema.nullable(),
  last_failure: z
    .object({ at: timestampSchema, reason: z.string() })
    .nullable()
    .describe('The last failure; never what the provider said, which may hold text of a run.'),
})

export const systemSchema = z
  .object({
    checks: z.array(systemCheckSchema),
    process: processSchema,
    queue: queueSchema,
    sizes: sizesSchema,
    providers: z.array(providerSchema).describe('Providers with a key, or that were called; the most called first.'),
  })
  .meta({ id: 'System' })

export const sandboxStateSchema = z
  .object({
    kind: z.string().describe('The kind that `JETTY_SANDBOX` names.'),
    check: systemCheckSchema.nullable().describe('Null: this process executes no runbooks.'),
    tools: z
      .array(z.object({ name: z.string(), version: z.string().nullable() }))
      .describe('Programs that runbooks expect in a sandbox; null: missing.'),
    kinds: z
      .array(
        z.object({
          name: z.string(),
          isolates: z.boolean().describe('Whether an agent is kept apart from the machine.'),
          runs_images: z.boolean().describe('Whether a runbook may name a container image.'),
        }),
      )
      .describe('All kinds, and what each can do.'),
  })
  .meta({ id: 'SandboxState' })

export type SystemState = z.output<typeof systemSchema>
export type SystemCheck = z.output<typeof systemCheckSchema>
export type SandboxState = z.output<typeof sandboxStateSchema>
