import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import type { CollectionRun } from '../../model/runs/collection-run.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import { collectionRunFilterFields } from '../../model/runs/run-filter.ts'
import { outsideWaits, runSorts, runTriggers } from '../../model/runs/run-lists.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { explainRun, explanationSchema } from '../explain-run.ts'
import { runSummary } from '../run-report.ts'
import { callText, composedTool } from '../tool.ts'
import { initParamsArgument, runArguments, startedMembers, taskArguments } from './shared-arguments.ts'
import { runLine, runPageSchema, shortRuns } from './shown-run.ts'

const statuses = z.array(z.enum(runStatuses)).optional().describe('Statuses to match; left out, all.')
const labels = z.array(z.string()).optional().describe('Labels to require: key or key:value.')
const moment = z.string().optional().describe('Such as 2026-11-25T08:00:00Z.')

interface RunPage {
  runs: CollectionRun[]
  has_more: boolean
  next_cursor: string | null
}

const runIds = ['collection', 'task', 'trajectory_id']

export const runTools = [
  endpointTool({
    name: 'find-runs',
    title: 'Find runs',
    description:
      'Finds runs of a collection by task, status, label, time, model, cost, duration, or a text in id, error or parameters; newest first, or sorted by duration or cost. A page may be short although has_more is true: go on with the cursor.',
    operation: 'listCollectionRuns',
    takes: [
      'collection',
      ...Object.keys(collectionRunFilterFields).map((name) => (name === 'q' ? 'query=q' : name)),
      ...['sort', 'order', 'limit', 'cursor'],
    ],
    simpler: {
      task: z.string().optional().describe('Only runs of this task.'),
      task_not: z.string().optional().describe('No runs of this task.'),
      status: statuses,
      status_not: statuses.describe('Statuses to leave out.'),
      label: labels,
      label_not: labels.describe('Labels to leave out: key or key:value.'),
      trigger: z.array(z.enum(runTriggers)).optional().describe('What started the run.'),
      author: z.array(z.string()).optional().describe('Authors: admin or api-key:<name>.'),
      top_level: z.boolean().optional().describe('Leave out runs that other runs or batches started.'),
      version: z.string().optional().describe('Version of the task: its index, a tag, or its hash.'),
      waiting_for: z
        .array(z.enum(outsideWaits))
        .optional()
        .describe('Only open runs that wait for a person, or an event.'),
      created_after: moment,
      created_before: moment,
      sort: z.enum(runSorts).optional().describe('duration and cost list ended runs alone.'),
      cursor: z.string().optional().describe('`cursor` of the page before.'),
    },
    defaults: { limit: 10 },
    show: ({ runs, has_more, next_cursor }: RunPage) => ({
      runs: runs.map(runLine),
      has_more,
      ...(next_cursor !== null && { cursor: next_cursor }),
    }),
    shows: z.object({ runs: z.array(z.unknown()), has_more: z.boolean(), cursor: z.string().optional() }),
    rest: (args) => ({ tool: 'find-runs', args: { ...args, limit: 3 } }),
  }),
  composedTool({
    name: 'explain-run',
    title: 'Explain a run',
    description:
      'Explains why a run failed: the failed step, what it read and from where, its last log lines, failed child runs, and the next calls that fix it. Also tells what an open run waits for. Use this before get-trajectory.',
    operations: ['getTrajectory', 'getStep', 'getWorkflowLogs', 'listCollectionRuns'],
    input: z.strictObject(runArguments),
    output: explanationSchema,
    run: async (context, run) => ({
      value: await explainRun(context, run),
      rest: callText('read-step', { ...run, step: '<failed step>', of: 'inputs' }),
    }),
  }),
  endpointTool({
    name: 'list-trajectories',
    title: 'List runs',
    description: 'Lists the runs of one task, newest first. find-runs searches a whole collection.',
    operation: 'listTrajectories',
    takes: ['collection', 'task', 'limit', 'page'],
    defaults: { limit: 10, page: 1 },
    always: { query: { view: 'summary' } },
    show: shortRuns,
    shows: runPageSchema,
    rest: ({ page = 1, ...args }) => ({ tool: 'list-trajectories', args: { ...args, page: Number(page) + 1 } }),
  }),
  composedTool({
    name: 'get-trajectory',
    title: 'Get run',
    description:
      'Shows a run as it is recorded, with all steps; long values are shortened. explain-run is shorter, read-step reads one step.',
    operations: ['getTrajectory'],
    input: z.strictObject(runArguments),
    output: contract.getTrajectory.response.partial({ init_params: true, step_configs: true }),
    run: async ({ call }, params) => {
      const whole = await call('getTrajectory', { params }).catch((error) => {
        if (error.code === 'too_large') return call('getTrajectory', { params, query: { view: 'summary' } })
        throw error
      })
      return { value: whole, rest: callText('read-step', { ...params, step: '<step>' }) }
    },
  }),
  endpointTool({
    name: 'get-stats',
    title: 'Get statistics',
    description: 'Shows statistics of all runs of a task: by status, durations, steps and labels.',
    operation: 'getStats',
    takes: ['collection', 'task'],
  }),
  endpointTool({
    name: 'estimate-task',
    title: 'Estimate cost and time',
    description:
      'Shows what runs of a task, a batch or an evaluation would cost and take, with an interval, from recorded runs. Starts nothing. Call it before many runs.',
    operation: 'estimateTask',
    takes: ['collection', 'task', 'count', 'dataset', 'split', 'max_concurrency'],
  }),
  endpointTool({
    name: 'backtest-task',
    title: 'Backtest',
    description: 'Tries another version of a task on recorded runs. Call it with dry_run first: it plans and prices.',
    operation: 'startExperiment',
    takes: ['collection', 'task', 'version', 'workflow', 'runs', 'judges', 'bound_usd', 'dry_run'],
    simpler: {
      version: z.string().optional().describe('Version or tag.'),
      workflow: z.looseObject({}).optional().describe('Instead: a workflow.'),
      runs: z.object({ last: z.int().optional() }).optional().describe('{last: 20}.'),
      judges: z.array(z.looseObject({})).optional().describe('As for an evaluation.'),
      bound_usd: z.number().optional().describe('Most to pay.'),
      dry_run: z.boolean().optional().describe('Only plan.'),
    },
  }),
  endpointTool({
    name: 'get-experiment',
    title: 'Get experiment',
    description: 'What a backtest found, worst runs first.',
    operation: 'getExperiment',
    takes: ['collection', 'experiment_id'],
  }),
  endpointTool({
    name: 'get-costs',
    title: 'Get costs',
    description: 'Shows runs, cost and tokens by day, model or task, or by label: label=user has a row for each user.',
    operation: 'getCollectionStats',
    takes: ['collection', 'by', 'label', 'from'],
    simpler: {
      by: z.string().optional().describe('day, model, task or label.'),
      label: z.string().optional().describe('user, or user:u-17 for one.'),
      from: z.string().optional().describe('First day.'),
    },
  }),
  endpointTool({
    name: 'add-label',
    title: 'Add label',
    description: 'Sets a label of a run, such as quality=high. It replaces a label with the same key and author.',
    operation: 'addLabel',
    takes: [...runIds, 'key', 'value', 'author'],
    simpler: { value: z.string().describe('Label value, such as high.') },
  }),
  endpointTool({
    name: 'rerun-run',
    title: 'Rerun a run',
    description:
      'Runs a run again, from any step: earlier steps keep their recorded results and cost nothing. With version=current it executes the corrected workflow of the task. Wait for the new run with wait-for-run.',
    operation: 'rerunTrajectory',
    takes: [...runIds, 'from_step', 'init_params', 'version', 'mode'],
    simpler: { init_params: initParamsArgument },
    show: ({ trajectory_id, status, url }: Record<string, unknown>, args) => ({
      trajectory_id,
      status,
      url,
      next: callText('wait-for-run', { collection: args.collection, task: args.task, trajectory_id }),
    }),
    shows: z.object({ ...startedMembers, next: z.string() }),
  }),
  endpointTool({
    name: 'compare-runs',
    title: 'Compare two runs',
    description: 'Compares two runs of a collection step by step: which inputs, outputs and parameters differ.',
    operation: 'diffTrajectories',
    takes: [...runIds, 'with'],
    rest: (args) => ({ tool: 'read-step', args: { ...args, with: undefined, step: '<step>' } }),
  }),
  composedTool({
    name: 'cancel-run',
    title: 'Cancel a run',
    description:
      'Cancels an open run with its child runs. A run that has ended cannot be continued; rerun-run starts it anew.',
    operations: ['getTrajectory', 'setTrajectoryStatuses'],
    isDestructive: true,
    input: z.strictObject({ ...taskArguments, trajectory_id: runArguments.trajectory_id }),
    output: contract.setTrajectoryStatuses.response
      .partial()
      .extend({ trajectory_id: z.string().optional(), status: z.string().optional(), note: z.string().optional() }),
    run: async ({ call }, { trajectory_id, ...params }) => {
      const query = { view: 'summary' }
      const before = await call('getTrajectory', { params: { ...params, trajectory_id }, query })
      const { status, ended } = before as { status: string; ended: string | null }
      if (ended !== null) return { value: { trajectory_id, status, note: 'It had ended before.' } }
      return { value: await call('setTrajectoryStatuses', { params, body: { [trajectory_id]: 'cancelled' } }) }
    },
  }),
]

/** Characters of a value that one call returns. */
const mostCharacters = 20_000

const step = z.string().min(1).max(300).describe('Name of the step, as in `steps` of explain-run.')

/** A part of a text, and where the next one begins. */
const partOf = (text: string, offset: number) => ({
  text: text.slice(offset, offset + mostCharacters),
  offset,
  total_characters: text.length,
  ...(offset + mostCharacters < text.length && { next_offset: offset + mostCharacters }),
})

export const stepTools = [
  composedTool({
    name: 'read-step',
    title: 'Read a step',
    description:
      'Reads one step of a run: inputs, outputs, config, error and where its parameters came from. With `of` (and `member`) it returns one value whole, in parts of 20,000 characters: go on with next_offset.',
    operations: ['getStep', 'getStepValue'],
    input: z.strictObject({
      ...runArguments,
      step,
      of: z
        .enum(['inputs', 'outputs', 'config', 'span'])
        .optional()
        .describe('Read this part whole. `span`: the raw attributes and events of a step that a trace recorded.'),
      member: z.string().max(1_000).optional().describe('Read only this member of the part, such as text.'),
      offset: z.int().min(0).default(0).describe('next_offset of the call before.'),
    }),
    output: z.object({
      ...contract.getStep.response.partial().shape,
      text: z.string().optional(),
      offset: z.number().optional(),
      total_characters: z.number().optional(),
      next_offset: z.number().optional(),
    }),
    run: async ({ call }, { of, member, offset, ...params }) => {
      const rest = 'read-step with `of` and `member` returns one value whole'
      if (of === undefined && member === undefined) return { value: await call('getStep', { params }), rest }
      const value = await call('getStepValue', { params, query: { of: of ?? 'outputs', member } })
      return { value: partOf(typeof value === 'string' ? value : JSON.stringify(value, null, 1), offset) }
    },
  }),
  composedTool({
    name: 'read-log',
    title: 'Read the log of a run',
    description:
      'Reads the log of a run, newest first: what steps and agents did, said and asked for. `step`, `level` and `query` narrow it; go on with the cursor.',
    operations: ['getTrajectory', 'getWorkflowLogs'],
    input: z.strictObject({
      ...runArguments,
      step: step.optional(),
      level: z.enum(['debug', 'info', 'warning', 'error']).optional(),
      query: z.string().max(200).optional().describe('Text in the message or attributes.'),
      limit: z.int().min(1).max(200).default(50),
      cursor: z.string().optional().describe('cursor of the answer before.'),
    }),
    output: z.object({ status: z.string(), events: z.array(z.unknown()), cursor: z.string().optional() }),
    run: async (context, { collection, task, trajectory_id, query: q, ...query }) => {
      const { workflow_id } = await runSummary(context, { collection, task, trajectory_id })
      const answer = await context.call('getWorkflowLogs', {
        params: { workflow_id },
        query: { ...query, q, order: 'desc' },
      })
      const { events, status, next_cursor } = answer as {
        events: LogEvent[]
        status: string
        next_cursor: string | null
      }
      const lines = events.map((event) => ({
        time: event.timestamp,
        level: event.level,
        type: event.type,
        message: event.message.slice(0, 1_000),
      }))
      return {
        value: { status, events: lines, ...(next_cursor !== null && { cursor: next_cursor }) },
        rest: 'read-log with a smaller limit',
      }
    },
  }),
]
