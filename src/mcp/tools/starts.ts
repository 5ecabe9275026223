import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import { AppError } from '../../lib/errors.ts'
import type { WaitingStep, WorkflowResponse } from '../../model/runs/trajectory.ts'
import type { Warning } from '../../model/warning.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { runReport, runReportSchema, runSummary } from '../run-report.ts'
import { type AskPerson, callText, composedTool, type ToolContext } from '../tool.ts'
import { type RunName, waitSeconds, watchRun } from '../watch-run.ts'
import { initParamsArgument, runArguments, taskArguments } from './shared-arguments.ts'

const providerKey = /_API_(KEY|TOKEN)$/

/** Whether a run uses lent keys: only while the trial of the collection is active and it has no provider key of its own. */
const trialOf = async (
  { call }: ToolContext,
  collection: string,
): Promise<{ trial_active: boolean; using_trial_keys?: boolean; reason?: string }> => {
  const { active } = (await call('getTrial', { params: { collection } })) as { active: boolean }
  if (!active) return { trial_active: false }
  const answer = await call('getEnvironment', { params: { collection } })
  const { environment_variables: variables } = answer as { environment_variables: Record<string, string> }
  const hasOwn = Object.keys(variables).some((name) => providerKey.test(name))
  return {
    trial_active: true,
    using_trial_keys: !hasOwn,
    ...(hasOwn && { reason: 'The collection has its own provider keys' }),
  }
}

interface Start {
  collection: string
  task: string
  init_params?: Record<string, unknown> | undefined
  file_paths?: string[] | undefined
  labels?: Record<string, string> | undefined
  version?: string | undefined
}

/** The form of a run, and what its answer says about the trial. */
const formOf = async (context: ToolContext, { collection, init_params, file_paths, labels, version }: Start) => {
  const trial = await trialOf(context, collection)
  const parameters = { ...init_params, ...(file_paths && { file_paths }) }
  const body = {
    init_params: parameters,
    ...(labels && { labels }),
    ...(version && { version }),
    ...(trial.using_trial_keys && { use_trial_keys: true }),
  }
  return { trial, body }
}

/** The next call stands in the answer: a model that has started a run wants its end. */
const started = (
  { workflow_id, trajectory_id, status, url, warnings }: WorkflowResponse & { warnings?: Warning[] },
  { collection, task }: Start,
) => ({
  workflow_id,
  trajectory_id,
  status,
  url,
  ...(warnings && { warnings }),
  next: callText('wait-for-run', { collection, task, trajectory_id }),
})

const start = async (context: ToolContext, args: Start) => {
  const { trial, body } = await formOf(context, args)
  const params = { collection: args.collection, task: args.task }
  const headers = { 'idempotency-key': randomUUID() }
  const answer = await context.call('runTask', { params, body, headers })
  return { trial, answer: answer as WorkflowResponse }
}

const seconds = z
  .int()
  .min(1)
  .max(waitSeconds.most)
  .default(waitSeconds.default)
  .describe('How long this call waits. The run goes on afterwards, and wait-for-run waits again.')

const waited = async (context: ToolContext, run: RunName, wait: number, warnings?: Warning[]) => {
  await watchRun(context, run, wait)
  const report = await runReport(context, run)
  const value = warnings ? { ...report, warnings } : report
  return { value, rest: callText('read-step', { ...run, step: '<step>' }) }
}

const trialMembers = {
  trial_active: z.boolean(),
  using_trial_keys: z.boolean().optional(),
  reason: z.string().optional(),
}
const startOutput = z.object({ ...trialMembers, result: z.record(z.string(), z.unknown()) })

const labelsArgument = z
  .record(z.string(), z.string())
  .optional()
  .describe('Labels that the run starts with, such as {"user": "u-17"}.')

const versionArgument = z.string().optional().describe('Version of the task: 12, ~-1, or a tag. Default: the newest.')

const startInput = {
  ...taskArguments,
  init_params: initParamsArgument,
  labels: labelsArgument,
  version: versionArgument,
}

export const startTools = [
  composedTool({
    name: 'run-workflow',
    title: 'Run workflow',
    description:
      'Starts a run of a task and returns at once. run-and-wait also waits for the result. Trial keys are used where the collection may and has none of its own.',
    operations: ['runTask', 'getTrial', 'getEnvironment'],
    input: z.strictObject(startInput),
    output: startOutput,
    run: async (context, args) => {
      const { trial, answer } = await start(context, args)
      return { value: { ...trial, result: started(answer, args) } }
    },
  }),
  composedTool({
    name: 'run-workflow-sync',
    title: 'Run workflow and wait',
    description:
      'Starts a run of a task and waits until it has ended. run-and-wait reports progress meanwhile and never waits too long.',
    operations: ['runTaskSync', 'getTrial', 'getEnvironment'],
    input: z.strictObject(startInput),
    output: startOutput,
    run: async (context, args) => {
      const { trial, body } = await formOf(context, args)
      const params = { collection: args.collection, task: args.task }
      const answer = (await context.call('runTaskSync', { params, body })) as Record<string, unknown>
      const { trajectory: _, ...result } = answer // the same document again
      return { value: { ...trial, result }, rest: 'read-step reads one step whole' }
    },
  }),
  composedTool({
    name: 'run-and-wait',
    title: 'Run and wait',
    description:
      'Starts a run of a task, a workflow or a runbook, reports progress, and returns status, outputs and files when it has ended, when it waits for a person, or after wait_seconds. Parameters of a runbook go into init_params.vars.',
    operations: [
      'runTask',
      'getTrial',
      'getEnvironment',
      'watchTrajectory',
      'getTrajectory',
      'getStep',
      'listRunFiles',
    ],
    input: z.strictObject({
      ...startInput,
      file_paths: z.array(z.string()).max(100).optional().describe('Input files: paths from upload-file.'),
      wait_seconds: seconds,
    }),
    output: runReportSchema,
    run: async (context, args) => {
      const { answer } = await start(context, args)
      const { collection, task, wait_seconds: wait } = args
      const { trajectory_id, warnings } = answer as WorkflowResponse & { warnings?: Warning[] }
      return waited(context, { collection, task, trajectory_id }, wait, warnings)
    },
  }),
  composedTool({
    name: 'wait-for-run',
    title: 'Wait for a run',
    description: 'Waits until a run has ended or waits for a person, reports progress, and returns what it came to.',
    operations: ['watchTrajectory', 'getTrajectory', 'getStep', 'listRunFiles'],
    input: z.strictObject({ ...runArguments, wait_seconds: seconds }),
    output: runReportSchema,
    run: async (context, { wait_seconds: wait, ...run }) => waited(context, run, wait),
  }),
]

export const eventTools = [
  endpointTool({
    name: 'list-event-waits',
    title: 'List waits for events',
    description: 'Lists the steps of a collection that wait for an event, each with the name and key it waits for.',
    operation: 'listEventWaits',
    takes: ['collection', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: ({ collection }) => ({ tool: 'list-event-waits', args: { collection, limit: 5 } }),
  }),
  endpointTool({
    name: 'send-event',
    title: 'Send an event',
    description:
      'Sends an event to the run that waits for its name and key, and so continues the run. It is kept while no run waits. The same event is delivered once.',
    operation: 'sendEvent',
    takes: ['collection', 'event', 'key', 'payload', 'id', 'keep_for_sec'],
  }),
]

type Decision = 'approve' | 'reject'

const decisions: readonly Decision[] = ['approve', 'reject']

/** Finds the waiting step of a run that a call means. */
const meant = (waiting: WaitingStep[] | null, step: string | undefined, run: Record<string, string>): WaitingStep => {
  const found = step === undefined ? waiting?.[0] : waiting?.find((one) => one.step === step)
  if (found) return found
  const which = step === undefined ? 'No step' : `No step ${JSON.stringify(step)}`
  throw new AppError('conflict', `${which} of the run waits for a decision`, {
    hint: `Next: ${callText('explain-run', run)}`,
  })
}

/** Lets the person decide, in a form of the client. */
const personDecides = async (askPerson: AskPerson, { step, message }: WaitingStep) => {
  const answer = await askPerson(
    `Step ${step} waits for your decision: ${message}`,
    {
      decision: { type: 'string', title: 'Decision', enum: [...decisions] },
      comment: { type: 'string', title: 'Comment', description: 'For the record and for later steps.' },
    },
    ['decision'],
  )
  const decision = decisions.find((one) => one === answer.content?.decision)
  if (answer.action !== 'accept' || !decision) {
    throw new AppError('not_approved', `The person did not decide (${answer.action}); the step still waits`)
  }
  const { comment } = answer.content ?? {}
  return { decision, ...(typeof comment === 'string' && comment !== '' && { comment }) }
}

export const approvalTools = [
  endpointTool({
    name: 'list-approvals',
    title: 'List approvals',
    description: 'Lists the steps of a collection that wait for a decision of a person, oldest first.',
    operation: 'listApprovals',
    takes: ['collection', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: ({ collection }) => ({ tool: 'list-approvals', args: { collection, limit: 5 } }),
  }),
  composedTool({
    name: 'decide-approval',
    title: 'Decide an approval',
    description:
      'Approves or rejects a step that waits for a person. Where the client can ask, the person gets a form and decides. Where it cannot, ask the person yourself and pass their decision; never decide for them.',
    operations: ['getTrajectory', 'decideApproval'],
    input: z.strictObject({
      ...runArguments,
      step: z.string().max(300).optional().describe('The waiting step; left out, the first one.'),
      decision: z.enum(['approve', 'reject']).optional().describe('What the person decided.'),
      comment: z.string().max(10_000).optional().describe('Comment of the person.'),
    }),
    output: contract.decideApproval.response,
    run: async (context, { step, decision, comment, ...run }) => {
      const { waiting } = await runSummary(context, run)
      const found = meant(waiting, step, run)
      const asked = context.askPerson && (await personDecides(context.askPerson, found))
      const body = asked ?? (decision && { decision, ...(comment !== undefined && { comment }) })
      if (!body) {
        throw new AppError('bad_request', `Step ${found.step} asks: ${found.message}`, {
          hint: 'This client cannot show a form. Ask the person, then call decide-approval with their decision.',
        })
      }
      return { value: await context.call('decideApproval', { params: { ...run, step: found.step }, body }) }
    },
  }),
]
