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
import { activity, FailedWith } from '../activity.ts'

/** Runs a runbook: a coding agent carries it out in a sandbox. */
export const runbook = activity({
  name: 'runbook',
  category: 'agent',
  description: 'A coding agent carries a runbook out in a throw-away sandbox; the server decides whether it succeeded.',
  parameters: runbookRequestSchema,
  outputs: z.object({
    success: z.boolean().describe('Whether everything holds that success asks for.'),
    failure_reason: z
      .enum(Object.keys(runbookFailures) as [string, ...string[]])
      .nullable()
      .describe('Why it did not succeed; null where it did.'),
    results_files: z.array(resultFileSchema).describe('Everything that it wrote below the results folder.'),
    files: z.array(resultFileSchema).describe('The same, then the log of the agent.'),
    primary_files: z.array(z.string()).describe('Storage paths of the files that the runbook names as its outputs.'),
    text: z.string().describe('The last message of the agent.'),
    agent: z.string().describe('Who carried it out.'),
    model: z.string().describe('The model that was asked.'),
    model_provider: z.string().nullable().describe('Who serves it; null where no model is.'),
    snapshot: z.string().nullable().describe('Name of what it ran in.'),
    image: z.string().nullable().describe('Container image that it ran in.'),
    sandbox: z.string().describe('What kept it apart; `process` keeps nothing apart.'),
    exit_code: z.int().nullable().describe('Of the agent; null where it was ended.'),
    agent_log: z.string().nullable().describe('Storage path of what the agent printed.'),
    usage: runbookUsageSchema.describe('What its calls of models came to.'),
    results_dir: z.string().describe('The results folder, as the agent saw it.'),
    validation_report: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe("The agent's own report, `validation_report.json`, where it wrote one."),
    verification: verificationSchema
      .nullable()
      .describe('What the independent check came to, where the runbook asks for one.'),
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
    'What was made is kept and listed whether it succeeded or not; with options.continue_on_error later steps can read it.',
    'It is not tried again by itself. With options.retry it is, where the reason is not_started, stalled, model_failed or verify_unavailable; with retry_on: all whatever the reason is.',
    'options.timeout_sec counts the wait for a free sandbox; timeout_sec counts the agent alone.',
    'A server that stops, or dies, begins it anew in a fresh sandbox when it goes on.',
  ],
  literal: ['instruction'],
  pathsInArrays: ['files'],
  secret: ['subscription_credential'],
  carriesOut: 'runbook',
  async run(given, context) {
    const outcome = await context.carryOutRunbook(requestOfRun(given, context.initParams))
    if (outcome.sandbox === 'process') {
      context.warn(
        'The agent ran as an ordinary process of the server: nothing kept it apart (JETTY_SANDBOX=process)',
        {
          sandbox: outcome.sandbox,
        },
      )
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
