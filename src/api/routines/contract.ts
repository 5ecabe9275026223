import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import { skipSchema } from '../../model/names.ts'
import { createRoutineSchema, routineSchema, updateRoutineSchema } from '../../model/routine.ts'
import { routineFiresQuery, routineFiresSchema } from '../../model/routine-fires.ts'
import { preflightQuery } from '../../model/runs/preflight.ts'
import { trajectoryListSchema, workflowResponseSchema } from '../../model/runs/trajectory.ts'

const ofTask = {
  tag: 'Routines',
  collectionMissing: "Task '{task}' in collection '{collection}' not found",
  task: true,
} as const
const path = '/api/v1/routines/{collection}/{task}'
const named = `${path}/{name}` as const

const routines = z.object({ routines: z.array(routineSchema) })
const page = z.object({ skip: skipSchema, limit: z.coerce.number().int().min(1).max(500).default(500) })
/** With `ok` beside it. */
const doneSchema = routineSchema.extend({ ok: z.literal(true) }).meta({ id: 'RoutineDone' })

export const routinesContract = {
  listRoutines: endpoint({
    method: 'GET',
    path: '/api/v1/routines/{collection}',
    summary: 'The routines of a collection, oldest first',
    tag: 'Routines',
    query: page,
    response: routines,
  }),
  listTaskRoutines: endpoint({
    ...ofTask,
    method: 'GET',
    path,
    summary: 'The routines of a task, oldest first',
    query: page,
    response: routines,
  }),
  getRoutine: endpoint({ ...ofTask, method: 'GET', path: named, summary: 'One routine', response: routineSchema }),
  createRoutine: endpoint({
    ...ofTask,
    method: 'POST',
    path,
    summary: 'Create a routine: run a task on a schedule',
    body: createRoutineSchema,
    response: routineSchema,
    status: 201,
    errors: ['bad_request', 'already_exists'],
  }),
  updateRoutine: endpoint({
    ...ofTask,
    method: 'PATCH',
    path: named,
    summary: 'Change the given fields of a routine; each given field is replaced completely',
    headers: ifMatchHeader,
    body: updateRoutineSchema,
    response: routineSchema,
    errors: ['bad_request', 'precondition_failed'],
  }),
  deleteRoutine: endpoint({
    ...ofTask,
    method: 'DELETE',
    path: named,
    summary: 'Delete a routine; its runs stay',
    response: z.object({ ok: z.literal(true) }),
  }),
  pauseRoutine: endpoint({
    ...ofTask,
    method: 'POST',
    path: `${named}/pause`,
    summary: 'Pause a routine; fires that wait for their start are dropped',
    response: doneSchema,
  }),
  resumeRoutine: endpoint({
    ...ofTask,
    method: 'POST',
    path: `${named}/resume`,
    summary: 'Resume a paused routine, from its next scheduled time on',
    response: doneSchema,
  }),
  runRoutineNow: endpoint({
    ...ofTask,
    method: 'POST',
    path: `${named}/run-now`,
    summary: 'Start a run of a routine now, even if it is paused or another run is active',
    query: preflightQuery,
    idempotent: true,
    audited: false,
    response: workflowResponseSchema,
    errors: ['bad_request', 'busy', 'model_unavailable'],
  }),
  getRoutineFires: endpoint({
    ...ofTask,
    method: 'GET',
    path: `${named}/fires`,
    summary: 'When a routine starts its next runs, and what became of its past fires',
    query: routineFiresQuery,
    response: routineFiresSchema,
  }),
  listRoutineRuns: endpoint({
    ...ofTask,
    method: 'GET',
    path: `${named}/runs`,
    summary: 'The runs that a routine started, newest first',
    query: z.object({
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .default(20)
        .transform((limit) => Math.min(limit, 500))
        .describe('Page size; larger values are reduced to 500.'),
      page: z.coerce.number().int().min(1).max(1_000_000_000).default(1),
    }),
    response: trajectoryListSchema,
  }),
}
