import { z } from 'zod'
import { activity, WaitForRuns } from '../activity.ts'
import { checkParamsSize } from './child-item.ts'

/** Runs one other task and waits for it. */
export const runWorkflow = activity({
  name: 'run_workflow',
  category: 'control',
  description: 'Runs another task of the collection and waits for it. The wait does not occupy a worker slot.',
  parameters: z.object({
    workflow_name: z
      .string()
      .min(1)
      .describe('The task to run, in the same collection, at a version as `report@production`.')
      .meta({ aliases: ['child_workflow_name', 'task_name'] }),
    init_params: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("Parameters of the run; they override the task's own init_params.")
      .meta({ aliases: ['child_init_params'] }),
    include_steps: z.boolean().default(false).describe('Whether to return the outputs of all its steps as well.'),
    continue_on_error: z.boolean().default(false).describe('Whether this step succeeds when the run fails.'),
    timeout_sec: z.number().positive().optional().describe('Seconds after which the run is cancelled.'),
  }),
  startsTask: 'workflow_name',
  typed: ['init_params'],
  outputs: z.object({
    trajectory_id: z.string().describe('Trajectory id of the run.'),
    name: z.string().describe('collection/task of the run.'),
    status: z.string().describe('Status of the run: completed, failed or cancelled.'),
    outputs: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe('Outputs of the last step of the run; null if it failed.'),
    error: z.string().nullable().describe('Error of the run; null if it did not fail.'),
    steps: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('With include_steps: {step: outputs}, in the order of execution.'),
  }),
  example: { activity: 'run_workflow', workflow_name: 'summarize-one', init_params: { language: 'English' } },
  alsoCalled: [
    'run_task',
    'subworkflow',
    'sub_workflow',
    'child_workflow',
    'execute_workflow',
    'call_workflow',
    'workflow',
  ],
  gotchas: [
    'A failed run also fails this step, with an error that names the run and its error, unless continue_on_error is true.',
  ],
  async run(given, context) {
    const { workflow_name: task, init_params: initParams, include_steps: withSteps, timeout_sec: seconds } = given
    checkParamsSize(JSON.stringify(initParams).length, context.settings.initParamsBytes, 'init_params')
    return new WaitForRuns(
      {
        task,
        count: 1,
        initParams: () => initParams,
        maxConcurrency: 1,
        sharesConcurrency: false,
        continueOnError: given.continue_on_error,
        until: seconds === undefined ? null : new Date(context.step.started.getTime() + seconds * 1000),
        labels: {},
      },
      async ([child]) => {
        const { trajectory_id = '', name = '', status = 'cancelled', error = null } = child ?? {}
        const steps = await context.runs.steps(trajectory_id, withSteps ? 'all' : 'last')
        return {
          trajectory_id,
          name,
          status,
          outputs:
            status === 'completed' ? (steps.findLast((step) => step.status === 'completed')?.outputs ?? null) : null,
          error,
          ...(withSteps ? { steps: Object.fromEntries(steps.map((step) => [step.name, step.outputs])) } : {}),
        }
      },
    )
  },
})
