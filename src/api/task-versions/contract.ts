import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { flagSchema } from '../../model/flag.ts'
import { skipSchema } from '../../model/names.ts'
import { taskHistorySchema, taskVersionSchema } from '../../model/workflows/task-version.ts'

const tag = 'Tasks'
const collectionMissing = "Task '{task}' in collection '{collection}' not found"

export const taskVersionsContract = {
  listTaskVersions: endpoint({
    method: 'GET',
    path: '/api/v1/tasks/{collection}/{task}/history',
    summary: 'The versions of a task, newest first; each change of its content creates a version',
    tag,
    collectionMissing,
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
    collectionMissing,
    response: taskVersionSchema,
    errors: ['bad_request'],
  }),
}
