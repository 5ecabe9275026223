import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { composedTool } from '../tool.ts'
import { startedMembers } from './shared-arguments.ts'
import { runPageSchema, shortRuns } from './shown-run.ts'

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

const settable = ['init_params_overrides', 'secret_params', 'paused', 'webhook_url', 'webhook_secret']
const simpler = {
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
