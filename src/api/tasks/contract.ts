import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import { flagSchema } from '../../model/flag.ts'
import { limitSchema, skipSchema } from '../../model/names.ts'
import { searchHitSchema, searchQuerySchema } from '../../model/search.ts'
import { setTagSchema, taggedSchema } from '../../model/version-ref.ts'
import {
  createTaskSchema,
  listedTaskSchema,
  taskSchema,
  taskSummarySchema,
  updateTaskSchema,
} from '../../model/workflows/task.ts'
import { taskHistorySchema, taskVersionSchema } from '../../model/workflows/task-version.ts'
import { workflowCheckRequestSchema, workflowCheckSchema } from '../../model/workflows/workflow-check.ts'
import { workflowValidationSchema, workflowVerdictSchema } from '../../model/workflows/workflow-fault.ts'

const tag = 'Tasks'
const query = z.object({ skip: skipSchema, limit: limitSchema })
const collectionMissing = "Collection with name '{collection}' not found"
const taskMissing = "Task '{task}' in collection '{collection}' not found"

const foundSchema = z
  .object({
    found: z.int().describe('Total number of matches; the first `limit` are returned.'),
    q: z.string(),
    hits: z.array(searchHitSchema),
    tasks: z.array(listedTaskSchema),
  })
  .meta({ id: 'FoundTasks' })

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
    collectionMissing: taskMissing,
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
    collectionMissing: taskMissing,
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
  checkWorkflow: endpoint({
    method: 'POST',
    path: '/api/v1/workflows/check',
    summary: 'The faults of a workflow with JSON Pointers, its steps, and the origins of each parameter',
    tag,
    access: 'read',
    body: workflowCheckRequestSchema,
    response: workflowCheckSchema,
    errors: ['not_found'],
  }),
  listTaskVersions: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}/{task}/history',
    summary: 'The versions of a task, newest first; each change of its content creates a version',
    tag,
    collectionMissing: taskMissing,
    query: z.object({
      skip: skipSchema,
      limit: z.coerce.number().int().min(1).max(100).default(50),
      include_changeset: flagSchema,
    }),
    response: taskHistorySchema,
  }),
  getTaskVersion: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}/{task}/versions/{ref}',
    summary: 'One version of a task: by content hash, by tag, or by index (~0 the oldest, ~-1 the newest)',
    tag,
    collectionMissing: taskMissing,
    response: taskVersionSchema,
    errors: ['bad_request'],
  }),
  setTaskTag: endpoint({
    method: 'PUT',
    path: '/api/v1/tasks/{collection}/{task}/tags/{tag}',
    summary: 'Give a version of a task a name; a tag that exists moves to it',
    tag,
    collectionMissing: taskMissing,
    body: setTagSchema,
    response: taggedSchema,
    errors: ['bad_request'],
  }),
  deleteTaskTag: endpoint({
    method: 'DELETE',
    path: '/api/v1/tasks/{collection}/{task}/tags/{tag}',
    summary: 'Remove a tag that was set on a version of a task; its version stays',
    tag,
    collectionMissing: taskMissing,
    response: z.object({ message: z.string() }),
  }),
  searchTasks: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}/search',
    summary:
      'Search the tasks of a collection by a text in their name, description, workflow or full name, in this order',
    tag,
    collectionMissing,
    query: searchQuerySchema,
    response: foundSchema,
  }),
  searchAllTasks: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/search',
    summary: 'The same search in all collections that the token covers',
    tag,
    query: searchQuerySchema,
    response: foundSchema,
  }),
}
