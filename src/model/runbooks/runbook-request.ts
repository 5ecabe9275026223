import { z } from 'zod'
import { memorySchema, modelProviders } from './runbook.ts'
import { runbookAgents } from './runbook-agents.ts'

/** Sandbox limits in a request; they override the runbook's own. */
export const runbookLimitsSchema = z.object({
  cpus: z.number().positive().max(1024).nullish().describe('CPU cores. Default: 4.'),
  memory: memorySchema.nullish().describe('Memory, such as 8G (default); a number means bytes.'),
  timeout_sec: z
    .number()
    .positive()
    .max(3600)
    .nullish()
    .describe('Time limit in seconds of wall-clock time. Default: 1200.'),
  network_enabled: z
    .boolean()
    .nullish()
    .describe('`false` allows the model only. `true` (default) allows every public host.'),
})

/** Parameters of the activity `runbook` (contract §5.6). */
export const runbookRequestSchema = runbookLimitsSchema.extend({
  instruction: z.string().min(1).describe('Runbook in Markdown, with its front matter.'),
  prompt: z.string().nullish().describe('Additional instructions for the agent.'),
  agent: z
    .string()
    .nullish()
    .describe(`Agent: one of ${runbookAgents.join(', ')}. Default: the runbook's, or derived from the model.`),
  model: z.string().nullish().describe("Model name as the provider writes it. Default: the runbook's."),
  model_provider: z
    .string()
    .nullish()
    .describe(`Provider: one of ${modelProviders.join(', ')}.`),
  template_variables: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe('Values for `{{name}}` in the runbook; `results_dir` is always defined.'),
  files: z.array(z.string()).nullish().describe('Storage paths of input files.'),
  snapshot: z.string().nullish().describe('Name of the sandbox image. Default: `python312-uv`.'),
  image: z.string().nullish().describe('Container image to run in; needs Docker or Podman.'),
  agent_env: z.record(z.string(), z.string()).nullish().describe('Environment variables for the agent.'),
  apt_packages: z.array(z.string()).nullish().describe('Debian packages to install; only for container images.'),
  mcp_servers: z
    .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
    .nullish()
    .describe('MCP servers, for agents that support them.'),
  subscription_credential: z.string().nullish().describe('Needs a user account; refused for keys.'),
  langfuse_tracing: z.boolean().nullish().describe('Accepted and ignored.'),
})
export type RunbookRequest = z.output<typeof runbookRequestSchema>

/** Result of one preflight check. */
const preflightCheckSchema = z
  .object({
    name: z
      .string()
      .describe('What was checked: runbook, agent, model, key, secrets, variables, snapshot, files, limits, sandbox.'),
    state: z.enum(['ok', 'warning', 'failed']),
    found: z.string(),
    fix: z.string().nullable().describe('What to do; null if the check passed.'),
    field: z.string().nullable().describe('Field of the request or the runbook that was checked.'),
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
