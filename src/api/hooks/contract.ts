import { z } from 'zod'
import { endpoint, ifMatchHeader } from '../../http/endpoint.ts'
import {
  createdHookSchema,
  createHookSchema,
  hookDeliveryPageSchema,
  hookDeliveryQuery,
  hookDeliverySchema,
  hookSchema,
  hookTestSchema,
  receivedDeliverySchema,
  redeliverSchema,
  testHookSchema,
  updateHookSchema,
} from '../../model/hook.ts'
import { limitSchema, numberCursorSchema, textSchema } from '../../model/names.ts'

const tag = 'Hooks'
const path = '/api/v1/hooks/{collection}'
const named = `${path}/{name}` as const

export const hooksContract = {
  receiveDelivery: endpoint({
    method: 'POST',
    path: '/hooks/{id}',
    summary:
      'Receive a webhook of another service, which starts a run. It needs no key: the signature of the sender counts. A delivery that came before changes nothing',
    tag,
    access: 'none',
    body: z.unknown(),
    isData: true,
    response: receivedDeliverySchema,
    errors: ['not_found', 'busy', 'quota_exceeded'],
  }),
  listHooks: endpoint({
    method: 'GET',
    path,
    summary: 'The hooks of a collection or of one of its tasks, oldest first',
    tag,
    query: z.object({
      task: textSchema.max(200).optional().describe('Only hooks that run this task.'),
      limit: limitSchema,
      cursor: numberCursorSchema,
    }),
    response: z
      .object({
        hooks: z.array(hookSchema),
        next_cursor: z.string().nullable().describe('Pass as `cursor` for the next page; null on the last one.'),
        has_more: z.boolean(),
      })
      .meta({ id: 'HookPage' }),
  }),
  getHook: endpoint({ tag, method: 'GET', path: named, summary: 'One hook', response: hookSchema }),
  createHook: endpoint({
    method: 'POST',
    path,
    summary: 'Create a hook: run a task for each webhook of another service, or for each event of a name',
    tag,
    body: createHookSchema,
    response: createdHookSchema,
    status: 201,
    errors: ['already_exists', 'not_found'],
  }),
  updateHook: endpoint({
    method: 'PATCH',
    path: named,
    summary: 'Change the given fields of a hook. After a change of its secret the former one holds for a while, too',
    tag,
    headers: ifMatchHeader,
    body: updateHookSchema,
    response: hookSchema,
    errors: ['not_found', 'precondition_failed'],
  }),
  deleteHook: endpoint({
    method: 'DELETE',
    path: named,
    summary: 'Delete a hook with its deliveries; its runs stay',
    tag,
    response: z.object({ ok: z.literal(true) }),
  }),
  listHookDeliveries: endpoint({
    method: 'GET',
    path: `${named}/deliveries`,
    summary: 'What a hook has received and what became of it, newest first',
    tag,
    query: hookDeliveryQuery,
    response: hookDeliveryPageSchema,
  }),
  getHookDelivery: endpoint({
    method: 'GET',
    path: `${named}/deliveries/{number}`,
    summary: 'One delivery of a hook, with its payload',
    tag,
    response: hookDeliverySchema
      .extend({ payload: z.unknown().describe('As it was received, without secrets of the collection.') })
      .meta({ id: 'HookDeliveryWithPayload' }),
  }),
  redeliverHook: endpoint({
    method: 'POST',
    path: `${named}/redeliver`,
    summary: 'Deliver one delivery again, or all in a state; each starts a run if the filter lets it through',
    tag,
    body: redeliverSchema,
    response: z
      .object({ redelivered: z.int().describe('How many now wait for their run.') })
      .meta({ id: 'Redelivered' }),
    errors: ['not_found', 'conflict'],
  }),
  testHook: endpoint({
    method: 'POST',
    path: `${named}/test`,
    summary: 'Try filter and mapping on a payload, without starting anything',
    tag,
    access: 'read',
    body: testHookSchema,
    isData: true,
    response: hookTestSchema,
    errors: ['not_found'],
  }),
}
