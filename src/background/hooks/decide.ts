import type { Owner } from '../../lib/fair-queue.ts'
import { isObject, type JsonObject } from '../../lib/json/json-object.ts'

/** Evaluates JSONata, in a process with limits of time and memory. */
export interface Expressions {
  /** `input` is JSON text. Throws an `AppError` that begins with `what`; a retryable one if another attempt may succeed. */
  evaluate(owner: Owner, work: { expression: string; input: string; what: string }): Promise<unknown>
  /** Finds the fault of each expression that is none. */
  faults(owner: Owner, expressions: readonly string[]): Promise<ReadonlyMap<string, string | undefined>>
}

/** What filter and mapping of a hook see of a delivery. */
interface DeliveryInput {
  /** JSON text. */
  payload: string
  event: string | null
  id: string
  sender: string
  receivedAt: string
}

interface Rules {
  filter: string | null
  mapping: string | null
}

/** The parameters of the run that a delivery starts, or why it starts none. */
export type Decision = { passes: false } | { passes: true; initParams: JsonObject } | { problem: string }

/** As JSONata casts to boolean. */
const holds = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.some(holds)
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value)
}

const inputText = ({ payload, event, id, sender, receivedAt }: DeliveryInput): string =>
  `{"payload":${payload},${JSON.stringify({ event, id, sender, received_at: receivedAt }).slice(1)}`

/** Applies filter and mapping of a hook to a delivery. Throws what `Expressions` throw. */
export const decide = async (
  { evaluate }: Pick<Expressions, 'evaluate'>,
  owner: Owner,
  { filter, mapping }: Rules,
  delivery: DeliveryInput,
): Promise<Decision> => {
  const input = inputText(delivery)
  if (filter !== null && !holds(await evaluate(owner, { expression: filter, input, what: 'The filter' }))) {
    return { passes: false }
  }
  if (mapping === null) {
    const { event, payload } = delivery
    return { passes: true, initParams: { payload: JSON.parse(payload) as unknown, event } }
  }
  const initParams = await evaluate(owner, { expression: mapping, input, what: 'The mapping' })
  if (isObject(initParams)) return { passes: true, initParams }
  const found = Array.isArray(initParams) ? 'a list' : initParams === null ? 'nothing' : `a ${typeof initParams}`
  return { problem: `The mapping must lead to an object, such as { "number": payload.number }; it leads to ${found}` }
}
