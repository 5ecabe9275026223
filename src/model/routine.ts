import { z } from 'zod'
import { cadenceTypes, catchUps, daysOfWeek, overlaps } from './cadence.ts'
import { jsonObjectSchema, routineNameSchema, timestampSchema } from './names.ts'
import { versionRefSchema } from './version-ref.ts'
import { webhookSecretSchema, webhookUrlSchema } from './webhook.ts'

/** Validates the members; `cadenceFault` checks which ones a type uses. Null counts as omitted. */
const cadenceSchema = z
  .looseObject({
    type: z.enum(cadenceTypes),
    minute_utc: z.int().min(0).max(59).nullish(),
    hour_utc: z.int().min(0).max(23).nullish(),
    day_of_week: z.enum(daysOfWeek).nullish(),
    expression: z
      .string()
      .trim()
      .max(200)
      .nullish()
      .describe('Cron expression of five fields, such as `*/5 9-17 * * mon-fri`; for kind `cron`.'),
    time_zone: z
      .string()
      .trim()
      .max(100)
      .nullish()
      .describe('IANA time zone of the cron expression, such as `Europe/Berlin`. Default: UTC.'),
  })
  .meta({ id: 'Cadence' })

const overridesSchema = jsonObjectSchema
  .nullish()
  .transform((given) => given ?? {})
  .describe("Parameters merged over the task's init_params, key by key; other keys are refused.")
const secretsSchema = z
  .record(z.string(), z.string())
  .nullish()
  .transform((given) => given ?? {})
  .describe('Variables for the environment of its runs; stored encrypted, never returned.')
/** What a routine does where its fires meet runs or standstills. */
const policies = {
  overlap: z.enum(overlaps).describe('What happens to a fire while a run of the routine is active.'),
  catch_up: z
    .enum(catchUps)
    .describe('Which fires missed while no server ran are made up: none, the last one, or all.'),
}

const settable = {
  cadence: cadenceSchema,
  init_params_overrides: overridesSchema,
  secret_params: secretsSchema,
  paused: z.boolean().describe('Whether the routine is paused: it fires again once it is resumed.'),
  webhook_url: webhookUrlSchema.describe('URL that is notified when a run of the routine has ended.'),
  webhook_secret: webhookSecretSchema.describe(
    'Secret that signs the notifications; stored encrypted, never returned.',
  ),
  version: versionRefSchema
    .nullish()
    .describe(
      'Version of the task that its runs execute: `12` or `~12`, `~-1`, a content hash or a tag; found at each fire. Null: the newest one.',
    ),
  ...policies,
}

export const createRoutineSchema = z
  .object({
    ...settable,
    name: routineNameSchema,
    paused: settable.paused.default(false),
    overlap: settable.overlap.default('skip'),
    catch_up: settable.catch_up.default('none'),
  })
  .meta({ id: 'CreateRoutine' })

/** Given members replace the stored ones as a whole; omitted ones stay. */
export const updateRoutineSchema = z
  .object({ ...settable, name: z.string() })
  .partial()
  .meta({ id: 'UpdateRoutine' })

export type CreateRoutine = z.output<typeof createRoutineSchema>
export type UpdateRoutine = z.output<typeof updateRoutineSchema>

const time = timestampSchema.nullable()

export const routineSchema = z
  .object({
    id: z.int().describe('Value of `triggered_by_routine_id` of its runs.'),
    name: z.string(),
    collection: z.string(),
    task: z.string(),
    cadence: cadenceSchema,
    init_params_overrides: jsonObjectSchema,
    secret_param_keys: z.array(z.string()),
    paused: z.boolean(),
    webhook_url: z.string().nullable(),
    has_webhook_secret: z.boolean(),
    version: z.string().nullable().describe('Reference to the version of the task that it runs; null: the newest one.'),
    ...policies,
    next_run_at: time.describe('Time of the next fire. Null for manual and paused routines.'),
    last_run_at: time.describe('Time at which its newest run was started.'),
    last_trajectory_id: z.string().nullable(),
    waiting: z.int().describe('Number of fires whose runs have not started yet.'),
    last_skipped_at: time.describe('Time of the newest fire that started no run.'),
    last_skip_reason: z.string().nullable(),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .meta({ id: 'Routine' })

export type Routine = z.output<typeof routineSchema>
