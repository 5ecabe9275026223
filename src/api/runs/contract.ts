import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { flagSchema } from '../../model/flag.ts'
import { jsonObjectSchema, textSchema } from '../../model/names.ts'
import { economySchema } from '../../model/runs/economy.ts'
import { type StartLabel, startLabelsSchema } from '../../model/runs/label.ts'
import { preflightModeSchema, preflightQuery } from '../../model/runs/preflight.ts'
import { endedRunSchema, workflowResponseSchema } from '../../model/runs/trajectory.ts'
import { tryRequestSchema } from '../../model/runs/try.ts'
import { versionRefSchema } from '../../model/version-ref.ts'
import { requireWebhook, webhookSecretSchema, webhookUrlSchema } from '../../model/webhook.ts'

const quoting =
  'curl -F cuts a value at an unescaped ";": use --form-string, and quote the JSON so that the shell leaves it alone'

/**
 * A form field with the JSON text of an object, or the object itself where the body came as JSON. Empty is `{}`. One
 * surplus `}` at the end is forgiven: a client's shell default adds it to every argument.
 */
const jsonFieldSchema = <Output extends Record<string, unknown>>(name: string, value: z.ZodType<Output>) =>
  z
    .union([z.string(), z.record(z.string(), z.unknown())], `${name} must be an object, or the JSON text of one`)
    .nullish()
    .transform((given, context): Output => {
      const parsed = typeof given === 'string' ? parseObject(given) : (given ?? {})
      if (!parsed) {
        context.addIssue({ code: 'custom', message: `${name} must be the JSON text of an object; ${quoting}` })
        return z.NEVER
      }
      const checked = value.safeParse(parsed)
      if (checked.success) return checked.data
      for (const { message, path } of checked.error.issues)
        context.addIssue({ code: 'custom', message, path: [...path] })
      return z.NEVER
    })

/** Labels as a list or an object, or the JSON text of either in a form. */
const labelsFieldSchema = z
  .union(
    [z.string(), z.array(z.unknown()), z.record(z.string(), z.unknown())],
    'labels must be an object, a list of {"key", "value"}, or the JSON text of one',
  )
  .nullish()
  .transform((given, context): StartLabel[] | undefined => {
    if (given == null || given === '') return undefined
    const value = typeof given === 'string' ? tryParse(given)?.value : given
    const checked = startLabelsSchema.safeParse(value)
    if (checked.success) return checked.data
    if (typeof value !== 'object' || value === null) {
      context.addIssue({ code: 'custom', message: `labels must be the JSON text of an object or a list; ${quoting}` })
      return z.NEVER
    }
    for (const { message, path } of checked.error.issues) context.addIssue({ code: 'custom', message, path: [...path] })
    return z.NEVER
  })

const parseObject = (text: string): Record<string, unknown> | undefined => {
  const trimmed = text.trim()
  if (trimmed === '') return {}
  const parsed = tryParse(trimmed) ?? (trimmed.endsWith('}') ? tryParse(trimmed.slice(0, -1)) : undefined)
  return parsed && typeof parsed.value === 'object' && parsed.value !== null && !Array.isArray(parsed.value)
    ? (parsed.value as Record<string, unknown>)
    : undefined
}

const tryParse = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** The fields of a run, in whichever of its spellings the form comes. */
const runFormSchema = z
  .object({
    init_params: jsonFieldSchema('init_params', jsonObjectSchema).describe(
      "JSON object, merged over the task's init_params key by key.",
    ),
    secret_params: jsonFieldSchema('secret_params', z.record(z.string(), z.string())).describe(
      'JSON object of strings: environment variables for this run only; stored encrypted.',
    ),
    labels: labelsFieldSchema.describe(
      'Labels that the run starts with: an object, or a list of `{"key", "value"}`, such as `{"user": "u-17"}`.',
    ),
    use_trial_keys: flagSchema.describe(
      "Lends missing provider keys while the collection's trial is active. Otherwise it is ignored if the collection has its own provider key, and refused if it has none.",
    ),
    webhook_url: webhookUrlSchema.describe(
      'http or https URL that gets the trajectory by POST when the run has ended.',
    ),
    webhook_secret: webhookSecretSchema.describe(
      'Signs the deliveries: X-Jetty-Signature is the hex HMAC-SHA256 of `<X-Jetty-Timestamp>.<raw body>`. Never shown.',
    ),
    version: versionRefSchema
      .nullish()
      .describe('Version of the task to run: `12` or `~12`, `~-1`, a content hash or a tag. Default: the newest one.'),
    preflight: preflightModeSchema,
    economy: economySchema,
    subscription_credential: z.string().nullish().describe('Needs a user account; refused for keys.'),
    bakery_host: z.unknown().optional().describe('Accepted from old clients and ignored.'),
  })
  .superRefine(requireWebhook)
  .meta({ id: 'RunForm' })

const tag = 'Runs'
const collectionMissing = "Task '{task}' in collection '{collection}' not found"

const run = {
  method: 'POST',
  tag,
  collectionMissing,
  query: preflightQuery,
  body: runFormSchema,
  isData: true,
  form: true,
  wraps: 'init_params',
  task: true,
  files: ['files'],
  idempotent: true,
  audited: false,
} as const

export const runsContract = {
  runTask: endpoint({
    ...run,
    path: '/api/v1/run/{collection}/{task}',
    summary: 'Start a run; the response follows as soon as the run is stored',
    response: workflowResponseSchema,
    errors: ['busy'],
  }),
  runTaskSync: endpoint({
    ...run,
    path: '/api/v1/run-sync/{collection}/{task}',
    summary: 'Start a run and wait until it has ended; for testing',
    response: endedRunSchema,
    errors: ['busy', 'still_running'],
  }),
}

const rerunSchema = z
  .strictObject({
    from_step: textSchema
      .max(200)
      .optional()
      .describe(
        'The first step to execute; earlier steps keep their recorded results. In a parallel workflow, the steps ' +
          'that do not depend on it keep theirs. If omitted, every step is executed.',
      ),
    init_params: jsonObjectSchema
      .default({})
      .describe('Parameters that override the init_params of the recorded run, key by key.'),
    secret_params: z
      .record(z.string(), z.string())
      .default({})
      .describe('Secrets of this run only; those of the recorded run were deleted at its end.'),
    preflight: preflightModeSchema,
    version: versionRefSchema
      .default('same')
      .describe(
        '`same`: the workflow that the recorded run executed. `current`: the current workflow of the task. ' +
          'Else a version of the task: `12` or `~12`, `~-1`, a content hash or a tag.',
      ),
    mode: z
      .enum(['run', 'replay'])
      .default('run')
      .describe(
        '`replay`: results of models, judges, images and the network come from the recording, without any call; ' +
          'a step with other inputs fails and names what differs.',
      ),
  })
  .prefault({})
  .meta({ id: 'Rerun' })

export const rerunContract = {
  rerunTrajectory: endpoint({
    method: 'POST',
    path: '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/rerun',
    summary:
      'Run a run again: from any step, with other parameters or another version, or as a replay of its recording',
    tag,
    collectionMissing: "Trajectory '{trajectory_id}' not found",
    access: 'write',
    task: true,
    query: preflightQuery,
    body: rerunSchema,
    idempotent: true,
    audited: false,
    response: workflowResponseSchema,
    errors: ['busy', 'conflict', 'model_unavailable'],
  }),
  tryStep: endpoint({
    method: 'POST',
    path: '/api/v1/try/{collection}',
    summary: "Execute one step of a workflow with what it depends on, as a run of the server's task `_try`",
    tag,
    query: preflightQuery,
    body: tryRequestSchema,
    idempotent: true,
    audited: false,
    response: workflowResponseSchema,
    errors: ['busy', 'model_unavailable'],
  }),
}
