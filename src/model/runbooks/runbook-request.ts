import { z } from 'zod'
import { memorySchema, modelProviders } from './runbook.ts'
import { runbookAgents } from './runbook-agents.ts'

/** Sandbox limits in a request; they override the runbook's own. */
export const runbookLimitsSchema = z.object({
  cpus: z.number().positive().max(1024).nullish().describe('Processors; 4 where nothing says otherwise.'),
  memory: memorySchema.nullish().describe('Such as 8G, which is the default; a number is bytes.'),
  timeout_sec: z.number().positive().max(3600).nullish().describe('Seconds of wall-clock time; 1200 by default.'),
  network_enabled: z
    .boolean()
    .nullish()
    .describe('false: nothing but the model can be reached. Default true: every public host.'),
})

/** Parameters of the activity `runbook` (contract §5.6). */
export const runbookRequestSchema = runbookLimitsSchema.extend({
  instruction: z.string().min(1).describe('The runbook: markdown, with its front matter.'),
  prompt: z.string().nullish().describe('What the caller adds to it.'),
  agent: z
    .string()
    .nullish()
    .describe(`One of ${runbookAgents.join(', ')}; else the runbook's, or from the model.`),
  model: z.string().nullish().describe("Name of the model as its provider writes it; else the runbook's."),
  model_provider: z
    .string()
    .nullish()
    .describe(`One of ${modelProviders.join(', ')}.`),
  template_variables: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe('Put in the place of `{{name}}` in the runbook; `results_dir` is always there.'),
  files: z.array(z.string()).nullish().describe('Storage paths of inputs.'),
  snapshot: z.string().nullish().describe('Name of what it runs in; `python312-uv` by default.'),
  image: z.string().nullish().describe('Container image to run in; needs Docker or Podman.'),
  agent_env: z.record(z.string(), z.string()).nullish().describe('Variables for the agent.'),
  apt_packages: z.array(z.string()).nullish().describe('Debian packages; only where an image is run.'),
  mcp_servers: z
    .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
    .nullish()
    .describe('MCP servers, for agents that can have them.'),
  subscription_credential: z.string().nullish().describe('Needs a user account; refused for keys.'),
  langfuse_tracing: z.boolean().nullish().describe('Taken and not used.'),
})
export type RunbookRequest = z.output<typeof runbookRequestSchema>

/** Result of one preflight check. */
const preflightCheckSchema = z
  .object({
    name: z
      .string()
      .describe(
        'What was looked at: runbook, agent, model, key, secrets, variables, snapshot, files, limits, sandbox.',
      ),
    state: z.enum(['ok', 'warning', 'failed']),
    found: z.string(),
    fix: z.string().nullable().describe('What to do about it; null where it is ok.'),
    field: z.string().nullable().describe('The field of the request or the runbook that it is about.'),
  })
  .meta({ id: 'PreflightCheck' })
export type PreflightCheck = z.output<typeof preflightCheckSchema>

export const preflightSchema = z
  .object({
    ready: z.boolean(),
    checks: z.array(preflightCheckSchema),
    agent: z.string().nullable(),
    model: z.string().nullable(),
    model_provider: z.string().nullable(),
    snapshot: z.string().nullable(),
    image: z.string().nullable(),
    /** Variables used by the runbook that have no value. */
    missing_variables: z.array(z.string()),
    /** Environment variables of required secrets that are not configured. */
    missing_secrets: z.array(z.string()),
  })
  .meta({ id: 'RunbookPreflight' })
export type RunbookPreflight = z.output<typeof preflightSchema>

/** Members taken from `init_params` when the workflow does not pass them on: clients omit their paths. */
const givenWithRun = ['model_provider', 'subscription_credential'] as const

/** Completes a step's request with the run's `init_params`. */
export const requestOfRun = <Given extends Pick<RunbookRequest, (typeof givenWithRun)[number]>>(
  given: Given,
  initParams: Readonly<Record<string, unknown>>,
): Given => {
  const request = { ...given }
  for (const name of givenWithRun) {
    const value = initParams[name]
    if (typeof value === 'string' && value !== '') request[name] ??= value
  }
  return request
}
