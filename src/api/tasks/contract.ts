import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import { limitSchema, skipSchema } from '../../model/names.ts'
import {
  createTaskSchema,
  listedTaskSchema,
  taskSchema,
  taskSummarySchema,
  updateTaskSchema,
} from '../../model/workflows/task.ts'
import { workflowValidationSchema, workflowVerdictSchema } from '../../model/workflows/workflow-fault.ts'

const tag = 'Tasks'
const query = z.object({ skip: skipSchema, limit: limitSchema })
const collectionMissing = "Collection with name '{collection}' not found"

export const tasksContract = {
  listAllTasks: endpoint({
    method: 'GET',
    path: '/api/v1/tasks',
    summary: 'The tasks of all collections that the token covers',
    tag,
    query,
    response: z.array(listedTaskSchema),
  }),
  listTasks: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}',
    summary: 'The tasks of a collection, oldest first',
    tag,
    collectionMissing,
    query: query.extend({
      view: z
        .enum(['full', 'summary'])
        .default('full')
        .describe('`summary`: without workflows, with what the runs of each task came to.'),
    }),
    response: z.array(listedTaskSchema),
    views: { summary: z.array(taskSummarySchema) },
  }),
  getTask: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}/{task}',
    summary: 'One task with its workflow; public tasks need no token. Its `ETag` is for `If-Match`',
    tag,
    access: 'optional',
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    response: taskSchema,
  }),
  createTask: endpoint({
    method: 'POST',
    path: '/api/v1/tasks/{collection}',
    summary: 'Create a task; `warnings` list the faults of its workflow',
    tag,
    collectionMissing,
    body: createTaskSchema,
    response: taskSchema,
    status: 201,
    errors: ['already_exists'],
  }),
  validateWorkflow: endpoint({
    method: 'POST',
    path: '/api/v1/tasks/{collection}/validate',
    summary: 'Check a workflow for faults without storing it',
    tag,
    access: 'read',
    collectionMissing,
    body: workflowValidationSchema,
    response: workflowVerdictSchema,
  }),
  updateTask: endpoint({
    method: 'PUT',
    path: '/api/v1/tasks/{collection}/{task}',
    summary: 'Change the given fields of a task; a given workflow is replaced completely',
    tag,
    collectionMissing: "Task '{task}' in collection '{collection}' not found",
    headers: ifMatchHeader,
    body: updateTaskSchema,
    response: taskSchema,
    errors: ['already_exists', 'precondition_failed'],
  }),
  deleteTask: endpoint({
    method: 'DELETE',
    path: '/api/v1/tasks/{collection}/{task}',
    summary: 'Delete a task; its runs and files stay readable at their exact paths',
    tag,
    collectionMissing: 'Task not found',
    response: z.object({ message: z.string() }),
  }),
  getTaskDetails: endpoint({
    method: 'GET',
    path: '/api/v1/task-details/{collection}/{task}',
    summary: 'One task with the masked environment and the storage of its collection',
    tag,
    collectionMissing: "Task '{task}' not found in collection '{collection}'",
    response: taskSchema,
  }),
}
