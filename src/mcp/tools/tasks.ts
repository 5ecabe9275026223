import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { composedTool } from '../tool.ts'
import { startedMembers, workflowArgument } from './shared-arguments.ts'
import { runPageSchema, shortRuns } from './shown-run.ts'

interface ListedTask {
  name: string
  description: string | null
  kind: string
  steps: number
  runs: unknown
}

interface ListedTemplate {
  activity_name: string
  category: string
  description: string
}

const outputs = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .optional()
  .describe('Pinned outputs by step name: these steps are not executed.')

export const taskTools = [
  endpointTool({
    name: 'list-tasks',
    title: 'List tasks',
    description:
      'Lists the tasks of a collection with their kind and the totals of their runs. get-task shows the workflow of one.',
    operation: 'listTasks',
    takes: ['collection', 'limit', 'skip'],
    always: { query: { view: 'summary' } },
    show: (answer: ListedTask[]) =>
      answer.map(({ name, description, kind, steps, runs }) => ({ name, description, kind, steps, runs })),
    shows: z.object({ tasks: z.array(z.unknown()) }),
    rest: ({ collection }) => ({ tool: 'list-tasks', args: { collection, skip: 100 } }),
  }),
  endpointTool({
    name: 'get-task',
    title: 'Get task',
    description: 'Shows one task: its workflow, and the parameters of a run as input_schema.',
    operation: 'getTask',
    takes: ['collection', 'task'],
    show: ({ environment_variables: _, storage_info: __, storage_provider: ___, ...task }: Record<string, unknown>) =>
      task,
    shows: contract.getTask.response.omit({ environment_variables: true, storage_info: true, storage_provider: true }),
  }),
  endpointTool({
    name: 'create-task',
    title: 'Create task',
    description:
      'Creates a task with a workflow. Call validate-workflow first: `warnings` in the answer are faults that a run would meet.',
    operation: 'createTask',
    takes: ['collection', 'name', 'description', 'workflow', 'note'],
    simpler: { workflow: workflowArgument },
    defaults: { description: '' },
  }),
  endpointTool({
    name: 'update-task',
    title: 'Update task',
    description:
      'Changes the workflow or the description of a task; the workflow is replaced as a whole and becomes a new version. Read it with get-task and check it with validate-workflow first.',
    operation: 'updateTask',
    takes: ['collection', 'task', 'workflow', 'description', 'note'],
    simpler: { workflow: workflowArgument.optional() },
  }),
  endpointTool({
    name: 'validate-workflow',
    title: 'Validate workflow',
    description:
      'Checks a workflow without saving it. Each fault names the faulty member as a JSON Pointer, and what to do about it. Repeat until `valid` is true, then call create-task or update-task.',
    operation: 'validateWorkflow',
    takes: ['collection', 'workflow', 'name'],
    simpler: { workflow: workflowArgument },
  }),
  endpointTool({
    name: 'try-step',
    title: 'Try one step',
    description:
      'Executes one step of a workflow that is not saved, with the steps that it depends on. Returns a run of the task _try at once; read it with wait-for-run.',
    operation: 'tryStep',
    takes: ['collection', 'workflow', 'step', 'init_params', 'outputs'],
    simpler: { workflow: workflowArgument, init_params: z.record(z.string(), z.unknown()).optional(), outputs },
    show: ({ trajectory_id, status, url }: Record<string, unknown>) => ({ task: '_try', trajectory_id, status, url }),
    shows: z.object({ task: z.string(), ...startedMembers }),
  }),
  endpointTool({
    name: 'list-step-templates',
    title: 'List step templates',
    description:
      'Lists the activities that a step can use, by name. get-step-template shows parameters, outputs and an example of one.',
    operation: 'listStepTemplates',
    takes: ['category', 'query=q'],
    show: ({ templates, categories }: { templates: ListedTemplate[]; categories: string[] }) => ({
      categories,
      templates: templates.map(({ activity_name: name, category, description }) => ({
        name,
        category,
        description: description.split('\n', 1)[0]?.slice(0, 160),
      })),
    }),
    shows: z.object({ categories: z.array(z.string()), templates: z.array(z.unknown()) }),
  }),
  endpointTool({
    name: 'get-step-template',
    title: 'Get step template',
    description: 'Shows one activity: its parameters, outputs, a working example, and what commonly goes wrong.',
    operation: 'getStepTemplate',
    takes: ['name=activity'],
  }),
  endpointTool({
    name: 'validate-runbook',
    title: 'Validate runbook',
    description: 'Checks the text of a runbook. Each fault has its line and column, and a fix.',
    operation: 'validateRunbook',
    takes: ['content', 'level'],
  }),
]

const cadence = z
  .looseObject({
    type: z.enum(['manual', 'hourly', 'daily', 'weekdays', 'weekly', 'cron']).describe('manual: only run-routine-now.'),
    hour_utc: z.int().min(0).max(23).optional().describe('For daily, weekdays and weekly.'),
    minute_utc: z.int().min(0).max(59).optional(),
    day_of_week: z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']).optional().describe('For weekly.'),
    expression: z.string().optional().describe('For cron: five fields, such as */5 9-17 * * mon-fri.'),
    time_zone: z.string().optional().describe('For cron: such as Europe/Berlin. Default: UTC.'),
  })
  .describe(
    'When it fires, such as {"type":"hourly","minute_utc":15}, {"type":"daily","hour_utc":9} or {"type":"weekly","day_of_week":"mon","hour_utc":9}.',
  )

const overrides = z
  .record(z.string(), z.unknown())
  .optional()
  .describe("Parameters merged over the task's init_params; other keys are refused.")
const secrets = z.record(z.string(), z.string()).optional().describe('Secrets of its runs; stored encrypted.')

const settable = ['version', 'init_params_overrides', 'secret_params', 'paused', 'webhook_url', 'webhook_secret']
const simpler = {
  version: z.string().optional().describe('Version or tag that it runs.'),
  init_params_overrides: overrides,
  secret_params: secrets,
  paused: z.boolean().optional(),
  webhook_url: z.string().optional().describe('URL that gets the trajectory by POST when a run has ended.'),
  webhook_secret: z.string().optional().describe('Signs the deliveries.'),
}
const named = ['collection', 'task', 'name']

export const routineTools = [
  composedTool({
    name: 'list-routines',
    title: 'List routines',
    description: 'Lists the routines (schedules) of a collection or of one task, with the time of the next fire.',
    operations: ['listRoutines', 'listTaskRoutines'],
    input: z.strictObject({
      collection: z.string().min(1).describe('Collection name.'),
      task: z.string().min(1).optional().describe('Task name; left out, all routines of the collection.'),
      limit: z.int().min(1).max(500).default(50),
      skip: z.int().min(0).default(0),
    }),
    output: contract.listRoutines.response,
    run: async ({ call }, { collection, task, ...query }) => ({
      value:
        task === undefined
          ? await call('listRoutines', { params: { collection }, query })
          : await call('listTaskRoutines', { params: { collection, task }, query }),
      rest: `list-routines with skip ${query.skip + query.limit}`,
    }),
  }),
  endpointTool({
    name: 'get-routine',
    title: 'Get routine',
    description: 'Shows one routine with its cadence and the time of its next fire.',
    operation: 'getRoutine',
    takes: named,
  }),
  endpointTool({
    name: 'create-routine',
    title: 'Create routine',
    description: 'Runs a task on a schedule.',
    operation: 'createRoutine',
    takes: [...named, 'cadence', ...settable],
    simpler: { ...simpler, cadence },
  }),
  endpointTool({
    name: 'update-routine',
    title: 'Update routine',
    description: 'Changes the given fields of a routine; each given field is replaced as a whole.',
    operation: 'updateRoutine',
    takes: [...named, 'cadence', ...settable],
    simpler: { ...simpler, cadence: cadence.optional() },
    isDestructive: true, // an earlier value is gone
  }),
  endpointTool({
    name: 'delete-routine',
    title: 'Delete routine',
    description: 'Deletes a routine for good; its runs stay. pause-routine stops it for a while.',
    operation: 'deleteRoutine',
    takes: named,
    isDestructive: true,
  }),
  endpointTool({
    name: 'pause-routine',
    title: 'Pause routine',
    description: 'Stops the fires of a routine until resume-routine.',
    operation: 'pauseRoutine',
    takes: named,
  }),
  endpointTool({
    name: 'resume-routine',
    title: 'Resume routine',
    description: 'Resumes a paused routine, from its next scheduled time on.',
    operation: 'resumeRoutine',
    takes: named,
  }),
  endpointTool({
    name: 'run-routine-now',
    title: 'Run routine now',
    description: 'Starts a run of a routine now, with its parameters. Wait for it with wait-for-run.',
    operation: 'runRoutineNow',
    takes: named,
    show: ({ workflow_id, trajectory_id, status, url }: Record<string, unknown>) => ({
      workflow_id,
      trajectory_id,
      status,
      url,
    }),
    shows: z.object({ workflow_id: z.string(), ...startedMembers }),
  }),
  endpointTool({
    name: 'list-routine-runs',
    title: 'List routine runs',
    description: 'Lists the runs that a routine started, newest first.',
    operation: 'listRoutineRuns',
    takes: [...named, 'limit', 'page'],
    defaults: { limit: 10 },
    show: shortRuns,
    shows: runPageSchema,
    rest: ({ page = 1, ...args }) => ({ tool: 'list-routine-runs', args: { ...args, page: Number(page) + 1 } }),
  }),
]

export const collectionTools = [
  endpointTool({
    name: 'list-collections',
    title: 'List collections',
    description: 'Lists the collections that the key covers. Start here: every other tool needs a collection name.',
    operation: 'listCollections',
    takes: ['limit', 'skip'],
    show: (answer: { name: string; description?: string | null }[]) =>
      answer.map(({ name, description }) => ({ name, description: description ?? null })),
    shows: z.object({ collections: z.array(z.unknown()) }),
  }),
  endpointTool({
    name: 'get-collection',
    title: 'Get collection',
    description:
      'Shows one collection with the names of its environment variables. Values are masked; they never leave the server.',
    operation: 'getCollection',
    takes: ['collection'],
  }),
  endpointTool({
    name: 'get-trial-status',
    title: 'Get trial status',
    description: 'Shows whether the collection may use provider keys of the server, and how much of its trial is left.',
    operation: 'getTrial',
    takes: ['collection'],
  }),
  endpointTool({
    name: 'activate-trial',
    title: 'Activate trial',
    description: 'Starts the one trial of a collection, in which runs use provider keys of the server.',
    operation: 'activateTrial',
    takes: ['collection'],
  }),
  composedTool({
    name: 'check-secrets',
    title: 'Check secrets',
    description:
      'Compares the environment variables that a runbook or workflow needs with those that the collection has. Names only.',
    operations: ['getEnvironment'],
    input: z.strictObject({
      collection: z.string().min(1).describe('Collection name.'),
      required_keys: z.array(z.string()).max(200).describe('Names of the variables that are needed.'),
    }),
    output: z.object({ configured: z.array(z.string()), missing: z.array(z.string()), ready: z.boolean() }),
    run: async ({ call }, { collection, required_keys: required }) => {
      const answer = await call('getEnvironment', { params: { collection } })
      const { environment_variables: variables } = answer as { environment_variables: Record<string, string> }
      const configured = Object.keys(variables)
      const missing = required.filter((one) => !configured.includes(one))
      return { value: { configured, missing, ready: missing.length === 0 } }
    },
  }),
  endpointTool({
    name: 'set-environment-vars',
    title: 'Set environment variables',
    description:
      'Sets environment variables of a collection, such as provider keys. A value replaces an earlier one for good, and null deletes the variable; others stay as they are. Runs that start later use them.',
    operation: 'setEnvironment',
    takes: ['collection', 'variables=environment_variables'],
    isDestructive: true, // an earlier value is gone
    simpler: {
      variables: z.record(z.string(), z.string().nullable()).describe('Values by name; null deletes the variable.'),
    },
  }),
]
