import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { requestOfRun, runbookRequestSchema } from '../../model/runbooks/runbook-request.ts'
import {
  mayPass,
  type RunbookOutcome,
  resultFileSchema,
  runbookFailures,
  runbookUsageSchema,
  verificationSchema,
} from '../../model/runbooks/runbook-run.ts'
import { wasIsolated } from '../../model/runbooks/sandbox.ts'
import { activity, FailedWith } from '../activity.ts'

/** Runs a runbook: a coding agent carries it out in a sandbox. */
export const runbook = activity({
  name: 'runbook',
  category: 'agent',
  effects: 'writes',
  lenient: true,
  description: 'Runs a runbook with a coding agent in a fresh sandbox; the server decides whether it succeeded.',
  parameters: runbookRequestSchema,
  outputs: z.object({
    success: z.boolean().describe('Whether all conditions of success are met.'),
    failure_reason: z
      .enum(Object.keys(runbookFailures) as [string, ...string[]])
      .nullable()
      .describe('Why the runbook did not succeed; null if it did.'),
    results_files: z.array(resultFileSchema).describe('All files that the agent wrote below the results folder.'),
    files: z.array(resultFileSchema).describe('The result files, followed by the log of the agent.'),
    primary_files: z.array(z.string()).describe('Storage paths of the files that the runbook names as its outputs.'),
    text: z.string().describe('The last message of the agent.'),
    agent: z.string().describe('The coding agent that ran the runbook.'),
    model: z.string().describe('The model that the agent used.'),
    model_provider: z.string().nullable().describe('The provider of the model; null if no model was used.'),
    snapshot: z.string().nullable().describe('Name of the snapshot that the agent ran in.'),
    image: z.string().nullable().describe('Container image that the agent ran in.'),
    sandbox: z.string().describe('Kind of sandbox that isolated the agent; `process` isolates nothing.'),
    exit_code: z.int().nullable().describe('Exit code of the agent; null if it was stopped.'),
    agent_log: z.string().nullable().describe('Storage path of the output of the agent.'),
    usage: runbookUsageSchema.describe('Total number, tokens and cost of its model calls.'),
    results_dir: z.string().describe('The results folder, as the agent saw it.'),
    validation_report: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe("The agent's own report, `validation_report.json`, if it wrote one."),
    verification: verificationSchema
      .nullable()
      .describe('Result of the independent check, if the runbook asks for one.'),
  }),
  example: {
    activity: 'runbook',
    instruction_path: 'init_params.instruction',
    agent: 'claude-code',
    template_variables_path: 'init_params.vars',
    files_path: 'init_params.file_paths',
    timeout_sec: 1200,
  },
  gotchas: [
    'Result files are stored and listed even if the runbook fails; with options.continue_on_error later steps can read them.',
    'The step is retried only with options.retry, and only if the reason is not_started, stalled, model_failed or verify_unavailable; with retry_on: all it is retried for every reason.',
    'options.timeout_sec includes the wait for a free sandbox; timeout_sec limits only the agent.',
    'After a server stop or crash the runbook starts again in a fresh sandbox.',
  ],
  literal: ['instruction'],
  names: ['mcp_servers'],
  pathsInArrays: ['files'],
  secret: ['subscription_credential'],
  carriesOut: 'runbook',
  async run(given, context) {
    const outcome = await context.carryOutRunbook(requestOfRun(given, context.initParams))
    if (!wasIsolated(outcome.sandbox)) {
      context.warn('The agent ran as an ordinary process of the server, without isolation (JETTY_SANDBOX=process)', {
        sandbox: outcome.sandbox,
      })
    }
    const { failure } = outcome
    const outputs = outputsOf(outcome)
    if (!failure) return outputs
    const { reason, message, hint } = failure
    const options = { retryable: mayPass.has(reason), ...(hint !== undefined && { hint }) }
    return new FailedWith(new AppError('runbook_failed', message, options), outputs)
  },
})

const outputsOf = ({ failure, ...outcome }: RunbookOutcome) => ({
  success: failure === null,
  failure_reason: failure?.reason ?? null,
  ...outcome,
})
