import { z } from 'zod'
import { contract } from '../../api/contract.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { startedMembers, workflowArgument } from './shared-arguments.ts'

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
