import { randomBytes } from 'node:crypto'
import { decide, type Expressions } from '../../background/hooks/decide.ts'
import type { Engine } from '../../engine/engine.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { type AnyCall, type BeforeBody, type Handlers, implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField, messageOf } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp } from '../../lib/time.ts'
import { type FoundCollection, ownerOf } from '../../model/collections/identity.ts'
import {
  type CreateHook,
  type Hook,
  type HookDelivery,
  type HookSender,
  hookDeliverySchema,
  hookSchema,
  type UpdateHook,
} from '../../model/hook.ts'
import { isName } from '../../model/names.ts'
import type { Database } from '../../store/database/database.ts'
import { valuesOf } from '../../store/database/table.ts'
import {
  countHooks,
  createHook,
  deleteHook,
  drawHookId,
  findDelivery,
  findHook,
  type HookFields,
  type HookRow,
  hookFields,
  hooksOfCollection,
  hooksOfTask,
  type ListedHook,
  listDeliveries,
  redeliverOne,
  redeliverState,
  type ShownDelivery,
  updateHook,
} from '../../store/hooks.ts'
import { hookFormerSecretSeal, hookSecretSeal } from '../../store/secrets/sealed-texts.ts'
import { findTask } from '../../store/tasks/tasks.ts'
import { unknownOf } from '../runs/start.ts'
import { serializeRow } from '../serialize-row.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { hooksContract } from './contract.ts'
import { makeReceive, type ReceiveDeps, requireHookUrl } from './receive.ts'

type Before = Omit<HookFields, 'updated_at'> & Pick<HookRow, 'id'>

/** A new hook before its fields are set. */
const newHook = (id: number): Before => ({
  id,
  task_id: null,
  task_name: '',
  filter: null,
  mapping: null,
  signature_header: null,
  delivery_header: null,
  disabled: false,
  sealed_secret: null,
  sealed_former_secret: null,
  former_until: null,
})

/** A change whose task was looked up. */
type Change = Omit<UpdateHook, 'task'> & { task?: { id: number; name: string } | undefined }

/** The columns of a new secret: the former one holds for a while. */
const withSecret = (
  { id, sealed_secret: before }: Before,
  { secret, keep_former_sec: seconds = 86_400 }: { secret: string; keep_former_sec?: number | undefined },
  { sealer, nowMs }: { sealer: Sealer; nowMs: number },
) => {
  const isKept = before !== null && seconds > 0
  return {
    sealed_secret: sealer.seal(secret, hookSecretSeal(id)),
    sealed_former_secret: isKept
      ? sealer.seal(sealer.open(before, hookSecretSeal(id)), hookFormerSecretSeal(id))
      : null,
    former_until: isKept ? new Date(nowMs + seconds * 1000) : null,
  }
}

/** Applies a change: given fields replace the old ones, the rest stays. */
const changed = (before: Before, given: Change, at: { sealer: Sealer; nowMs: number }): HookFields => {
  const { id: _, ...kept } = before
  const { task, secret, keep_former_sec } = given
  return {
    ...kept,
    ...(task && { task_id: task.id, task_name: task.name }),
    filter: given.filter === undefined ? kept.filter : given.filter,
    mapping: given.mapping === undefined ? kept.mapping : given.mapping,
    signature_header: given.signature_header === undefined ? kept.signature_header : given.signature_header,
    delivery_header: given.delivery_header === undefined ? kept.delivery_header : given.delivery_header,
    disabled: given.disabled ?? kept.disabled,
    ...(secret !== undefined && withSecret(before, { secret, keep_former_sec }, at)),
    updated_at: new Date(at.nowMs),
  }
}

const base64Pattern = /^(whsec_)?[A-Za-z0-9+/]{16,}={0,2}$/

/** Throws a 422 for members that the sender does not have, or that do not go together. */
const requireFitting = (
  sender: HookSender,
  fields: Pick<HookFields, 'signature_header' | 'delivery_header'>,
  secret: string | undefined,
): void => {
  const refuse = (member: string, message: string) => invalidField(['body', member], message, 'not_applicable')
  if (fields.signature_header !== null && sender !== 'generic') {
    throw refuse('signature_header', `Sender '${sender}' has a header of its own; signature_header is for 'generic'`)
  }
  if (fields.delivery_header !== null && fields.signature_header === null) {
    throw refuse('delivery_header', 'delivery_header needs a signature_header')
  }
  if (secret === undefined) return
  if (sender === 'event') throw refuse('secret', "Sender 'event' signs nothing: events are sent with a key")
  if (sender === 'generic' && fields.signature_header === null && !base64Pattern.test(secret)) {
    throw invalidField(
      ['body', 'secret'],
      'A secret of Standard Webhooks is base64, maybe with whsec_ before it, such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    )
  }
}

const requireEvent = ({ sender, event }: Pick<CreateHook, 'sender' | 'event'>): void => {
  if (sender === 'event' && event === null) {
    throw invalidField(['body', 'event'], "Sender 'event' needs the name of the events that start runs")
  }
  if (sender !== 'event' && event !== null) {
    throw invalidField(['body', 'event'], "Only sender 'event' has an event; filter the others with `filter`")
  }
}

/** The secret that the server makes for senders that take one. */
const madeSecret = ({ sender, secret }: Pick<CreateHook, 'sender' | 'secret'>): string | undefined =>
  secret === undefined && (sender === 'github' || sender === 'generic')
    ? `whsec_${randomBytes(24).toString('base64')}`
    : undefined

const missingHook = (name: string, collection: FoundCollection): AppError =>
  new AppError('not_found', `Hook '${name}' of collection '${collection.name}' not found`, {
    hint: `List hooks with: jetty hooks ls ${collection.name}`,
  })

const missingDelivery = (number: number | string, name: string): AppError =>
  new AppError('not_found', `Hook '${name}' has no delivery ${number}`, {
    hint: 'It may have been removed: deliveries are kept for JETTY_HOOK_KEEP_DAYS.',
  })

const hookTag = (row: HookRow): string => entityTag([row.id, ...valuesOf(hookFields, row)])

const shownDelivery = (row: ShownDelivery): HookDelivery =>
  serializeRow(hookDeliverySchema, row, {
    id: row.delivery_id,
    redelivered: row.round,
    next_attempt_at: row.next_at && timestamp(row.next_at),
  })

interface HooksDeps extends ReceiveDeps {
  database: Database
  sealer: Sealer
  engine: Pick<Engine, 'parametersOf'>
  expressions: Expressions
  links: { readonly publicUrl: string }
  settings: ReceiveDeps['settings'] & { hookBytes: number; hooksPerCollection: number }
  /** Milliseconds since 1970. */
  clock(): number
}

interface HookCall {
  collection: FoundCollection
  params: { name: string }
}

export const hooksRoutes = (deps: HooksDeps): Route[] => {
  const { database, sealer, engine, hooks, expressions, links, settings, clock } = deps
  const receive = makeReceive(deps)

  const shown = (row: ListedHook, collection: FoundCollection): Hook =>
    serializeRow(hookSchema, row, {
      collection: collection.name,
      task: row.current_task ?? row.task_name,
      task_exists: row.current_task !== null,
      url: row.sender === 'event' ? null : `${links.publicUrl}/hooks/${row.url_id}`,
      has_secret: row.sealed_secret !== null,
      former_secret_until:
        row.former_until && row.former_until.getTime() > clock() ? timestamp(row.former_until) : null,
    })

  const tagged = ({ addHeaders }: AnyCall, row: ListedHook, collection: FoundCollection): Hook => {
    addHeaders({ etag: hookTag(row) })
    return shown(row, collection)
  }

  const get = async ({ collection, params: { name } }: HookCall): Promise<ListedHook> => {
    const row = isName(name) ? await findHook(database, collection.id, name) : undefined
    if (!row) throw missingHook(name, collection)
    return row
  }

  const getTask = async (collection: FoundCollection, name: string) => {
    const task = isName(name) ? await findTask(database, collection.id, name) : undefined
    if (!task) throw missingTask(name, collection.name)
    return task
  }

  /** Checks expressions and looks up the task. */
  const checked = async (collection: FoundCollection, given: UpdateHook): Promise<Change> => {
    const { task: name, ...other } = given
    const task = name === undefined ? undefined : await getTask(collection, name)
    const texts = [given.filter, given.mapping].filter((text) => typeof text === 'string')
    const faults = texts.length > 0 ? await expressions.faults(ownerOf(collection), texts) : new Map()
    for (const member of ['filter', 'mapping'] as const) {
      const fault = faults.get(given[member] ?? '')
      if (fault !== undefined) throw invalidField(['body', member], `The ${member} cannot be used: ${fault}`, 'jsonata')
    }
    return { ...other, task }
  }

  const receiveBefore: BeforeBody = {
    maxBytes: settings.hookBytes,
    isRaw: true,
    admit: ({ params }) => requireHookUrl(database, params.id ?? ''),
  }

  const handlers: Handlers<typeof hooksContract> = {
    receiveDelivery: ({ params, headers, bodyBytes: bytes, memory }) =>
      receive({ urlId: params.id, headers, bytes, room: memory.take }),

    listHooks: async ({ collection, query: { task: name, cursor, limit } }) => {
      const page = { after: Number(cursor ?? 0), limit: limit + 1 }
      const rows =
        name === undefined
          ? await hooksOfCollection(database, collection.id, page)
          : await hooksOfTask(database, (await getTask(collection, name)).id, page)
      const more = rows.length > limit
      const some = rows.slice(0, limit)
      return {
        hooks: some.map((row) => shown(row, collection)),
        next_cursor: more ? String(some.at(-1)?.id) : null,
        has_more: more,
      }
    },

    getHook: async (call) => tagged(call, await get(call), call.collection),

    createHook: async (call) => {
      const { collection, body, note } = call
      requireEvent(body)
      requireFitting(body.sender, body, body.secret)
      const { hooksPerCollection: most } = settings
      if ((await countHooks(database, collection.id)) >= most) {
        throw new AppError('quota_exceeded', `The collection has ${most} hooks, the most that it may have`, {
          hint: 'Delete some, or raise JETTY_HOOKS.',
        })
      }
      const change = await checked(collection, body)
      const made = madeSecret(body)
      const id = await drawHookId(database)
      const { sender, event, name = `${change.task?.name}-${sender}`.slice(-128) } = body
      const nowMs = clock()
      const fields = changed(newHook(id), { ...change, secret: body.secret ?? made }, { sealer, nowMs })
      note({ target: `${collection.name}/${name}` })
      const outcome = await createHook(database, {
        ...{ id, collection_id: collection.id, name, url_id: randomBytes(24).toString('base64url'), sender, event },
        ...{ ...fields, created_at: fields.updated_at },
      })
      if (outcome === 'taken') {
        throw new AppError('already_exists', `Collection '${collection.name}' already has a hook '${name}'`, {
          hint: 'Give the new one another name.',
        })
      }
      if (outcome === 'gone') throw missingTask(body.task, collection.name)
      const row = await get({ collection, params: { name } })
      return { ...tagged(call, row, collection), secret: made ?? null }
    },

    updateHook: async (call) => {
      const { collection, body } = call
      const row = await get(call)
      const change = await checked(collection, body)
      const isThere = await updateHook(database, row.id, (before) => {
        requireMatch(call, hookTag(before), `Hook '${before.name}'`)
        const fields = changed(before, change, { sealer, nowMs: clock() })
        requireFitting(before.sender, fields, body.secret)
        return fields
      })
      if (!isThere) throw missingHook(row.name, collection)
      return tagged(call, await get(call), collection)
    },

    deleteHook: async (call) => {
      const { id, name } = await get(call)
      if (!(await deleteHook(database, id))) throw missingHook(name, call.collection)
      return { ok: true as const }
    },

    listHookDeliveries: async (call) => {
      const { state, cursor, limit } = call.query
      const { id } = await get(call)
      const before = Number(cursor ?? Number.MAX_SAFE_INTEGER)
      const rows = await listDeliveries(database, id, { state, before, limit: limit + 1 })
      const more = rows.length > limit
      const some = rows.slice(0, limit)
      return {
        deliveries: some.map(shownDelivery),
        next_cursor: more ? String(some.at(-1)?.number) : null,
        has_more: more,
      }
    },

    getHookDelivery: async (call) => {
      const { id, name } = await get(call)
      const { number } = call.params
      const row = /^\d{1,15}$/.test(number) ? await findDelivery(database, id, Number(number)) : undefined
      if (!row) throw missingDelivery(number, name)
      return { ...shownDelivery(row), payload: JSON.parse(row.payload) as unknown }
    },

    redeliverHook: async (call) => {
      const { number, state } = call.body
      if ((number === undefined) === (state === undefined)) {
        throw invalidField(['body', 'number'], 'Give either the number of a delivery, or a state')
      }
      const { id, name } = await get(call)
      const redelivered =
        state === undefined ? await redeliverNumber(id, name, number ?? 0) : await redeliverState(database, id, state)
      hooks.wake()
      return { redelivered }
    },

    testHook: async (call) => {
      const { collection, body, warn } = call
      const hook = await get(call)
      const given = body.delivery === undefined ? undefined : await findDelivery(database, hook.id, body.delivery)
      if (body.delivery !== undefined && !given) throw missingDelivery(body.delivery, hook.name)
      if (!given && body.payload === undefined) {
        throw invalidField(['body', 'payload'], 'Give a payload, or the number of a delivery')
      }
      const { filter = hook.filter, mapping = hook.mapping } = await checked(collection, body)
      const input = {
        payload: body.payload === undefined ? (given?.payload ?? 'null') : JSON.stringify(body.payload),
        event: body.event ?? given?.event ?? hook.event,
        id: given?.delivery_id ?? 'test',
        sender: hook.sender,
        receivedAt: timestamp(given?.received_at ?? new Date(clock())),
      }
      const decision = await decide(expressions, ownerOf(collection), { filter, mapping }, input).catch(
        (error: unknown) => {
          if (error instanceof AppError && !error.retryable) return { problem: messageOf(error) }
          throw error
        },
      )
      if ('problem' in decision) return { passes: false, init_params: null, problem: decision.problem }
      if (!decision.passes) return { passes: false, init_params: null, problem: null }
      const { initParams } = decision
      const task = hook.current_task === null ? undefined : await getTask(collection, hook.current_task)
      const unknown = task && { task, given: [initParams], secrets: {}, field: 'init_params' }
      for (const one of unknown ? await unknownOf(engine, unknown) : []) warn(one)
      return { passes: true, init_params: initParams, problem: null }
    },
  }

  const redeliverNumber = async (hookId: number, name: string, number: number): Promise<number> => {
    if (await redeliverOne(database, hookId, number)) return 1
    if (!(await findDelivery(database, hookId, number))) throw missingDelivery(number, name)
    throw new AppError('conflict', `Delivery ${number} waits for its run already`)
  }

  return implement(hooksContract, handlers, {
    receiveDelivery: receiveBefore,
    testHook: { maxBytes: 2 * settings.hookBytes + 64 * 1024 },
  })
}
