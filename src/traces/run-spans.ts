import { isObject, type JsonObject, parsedObject } from '../lib/json/json-object.ts'
import { stringOf } from '../lib/json/json-values.ts'
import { spanIdOf, type TraceContext, traceIdOf } from '../lib/text/trace-context.ts'
import { type ModelWork, modelAttributes, toolAttributes, turnAttributes } from './genai-attributes.ts'

/** A span in the form that OTLP has in JSON. */
export type OtlpSpan = JsonObject

/** A run that has ended, as its span needs it. Texts are JSON. */
export interface RunOfSpan {
  /** Internal key; the key of a run below another one begins with that of its parent and the step that started it. */
  key: string
  /** How many runs are above it. */
  depth: number
  /** The trace that its caller is part of, and its parent there. */
  trace: TraceContext | undefined
  /** `collection/task`. */
  name: string
  trajectoryId: string
  status: string
  error: string | null
  author: string
  startMs: number
  endMs: number
  /** Whether it records a call of the gateway. */
  isCall: boolean
  /** Its parameters, if contents are wanted. */
  initParams: string | null
}

/** A step of such a run. */
interface StepOfSpan extends Omit<ModelWork, 'operation'> {
  seq: number
  status: string
  attempt: number
  isReused: boolean
  activity: string | undefined
  /** What it does by the conventions for GenAI, if they have a word for it. */
  operation: ModelWork['operation'] | undefined
  /** Whether it has spans of its own for each call of a model and a tool. */
  hasCalls: boolean
  /** Its failure: {code, message}. */
  error: string | null
  startMs: number
  /** Null when it had not ended with its run. */
  endMs: number | null
}

type AttributeValue = string | number | boolean | readonly string[] | null | undefined

const anyValue = (value: Exclude<AttributeValue, null | undefined>): JsonObject => {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value !== 'number') return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

/** Writes attributes as OTLP has them, without those that have no value. */
export const otlpAttributes = (given: Readonly<Record<string, AttributeValue>>): JsonObject[] =>
  Object.entries(given).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValue(value) }],
  )

/** Nanoseconds since 1970, as text. */
export const nanos = (ms: number): string => `${Math.max(0, Math.floor(ms))}000000`

const kinds = { internal: 1, server: 2, client: 3 } as const

const longestMessage = 1_000
const failedWith = (message: string): JsonObject => ({ status: { code: 2, message: message.slice(0, longestMessage) } })

/** The key of the run that everything in a trace hangs below. */
const rootKeyOf = ({ key, depth }: Pick<RunOfSpan, 'key' | 'depth'>): string => {
  const parts = key.split('/')
  return parts.slice(0, parts.length - 2 * depth).join('/')
}

/** Id of the trace that everything below a run belongs to. */
export const traceIdOfRun = (run: Pick<RunOfSpan, 'key' | 'depth' | 'trace'>): string =>
  run.trace?.traceId ?? traceIdOf(rootKeyOf(run))

/** Members that place a span in its trace. */
const placeOf = (run: RunOfSpan, { spanId, parentSpanId }: { spanId: string; parentSpanId?: string | undefined }) => ({
  traceId: traceIdOfRun(run),
  spanId,
  ...(parentSpanId && { parentSpanId }),
  ...(run.trace?.state && { traceState: run.trace.state }),
})

/** The span above that of a run: the step that started it, or the span of its caller. */
const parentOf = ({ key, depth, trace }: RunOfSpan): string | undefined =>
  trace?.parentId ?? (depth === 0 ? undefined : spanIdOf(key.slice(0, key.lastIndexOf('/'))))

const cut = (text: string | null, mostCharacters: number): string | undefined =>
  text === null || mostCharacters === 0 ? undefined : text.slice(0, mostCharacters)

/** Makes the span of a run. The same run has the same ids whenever it is sent. */
export const runSpan = (run: RunOfSpan, mostCharacters: number): OtlpSpan => {
  const [collection = '', task = ''] = run.name.split('/')
  const isFailed = run.status === 'failed'
  return {
    ...placeOf(run, { spanId: spanIdOf(run.key), parentSpanId: parentOf(run) }),
    name: run.isCall ? run.name : `invoke_workflow ${run.name}`,
    kind: run.isCall ? kinds.server : kinds.internal,
    startTimeUnixNano: nanos(run.startMs),
    endTimeUnixNano: nanos(Math.max(run.startMs, run.endMs)),
    attributes: otlpAttributes({
      ...(!run.isCall && { 'gen_ai.operation.name': 'invoke_workflow', 'gen_ai.workflow.name': run.name }),
      'jetty.collection': collection,
      'jetty.task': task,
      'jetty.trajectory_id': run.trajectoryId,
      'jetty.status': run.status,
      'jetty.author': run.author,
      'jetty.init_params': cut(run.initParams, mostCharacters),
      ...(isFailed && { 'error.type': 'run_failed' }),
    }),
    ...(isFailed && failedWith(run.error ?? 'The run failed')),
  }
}

const failureOf = (error: string | null): { code: string; message: string } => {
  const { code, message } = parsedObject(error ?? '{}') ?? {}
  return { code: stringOf(code) || '_OTHER', message: stringOf(message) || 'The step failed' }
}

/** Makes the span of a step, below that of its run. `mostCharacters` limits contents; 0 leaves them out. */
export const stepSpan = (run: RunOfSpan, step: StepOfSpan, mostCharacters: number): OtlpSpan => {
  const { operation } = step
  const failure = step.status === 'failed' ? failureOf(step.error) : undefined
  // With a span for each call, its tokens would count twice.
  const usage = step.hasCalls || step.isReused ? null : step.usage
  const model = operation && modelAttributes({ ...step, operation, usage }, mostCharacters)
  return {
    ...placeOf(run, { spanId: spanIdOf(`${run.key}/${step.seq}`), parentSpanId: spanIdOf(run.key) }),
    name: model?.name ?? step.name,
    kind: operation && operation !== 'invoke_agent' ? kinds.client : kinds.internal,
    startTimeUnixNano: nanos(step.startMs),
    endTimeUnixNano: nanos(Math.max(step.startMs, step.endMs ?? run.endMs)),
    attributes: otlpAttributes({
      ...model?.attributes,
      'jetty.step': step.name,
      'jetty.activity': step.activity,
      'jetty.step.status': step.status,
      'jetty.step.attempts': step.attempt,
      ...(step.isReused && { 'jetty.step.reused': true }),
      ...(!operation && {
        'jetty.step.inputs': cut(step.inputs, mostCharacters),
        'jetty.step.outputs': cut(step.outputs, mostCharacters),
      }),
      ...(failure && { 'error.type': failure.code }),
    }),
    ...(failure && failedWith(failure.message)),
  }
}

/** What a chat step with tools has recorded of one call; undefined: nothing that took time. */
export const callSpan = (
  run: RunOfSpan,
  { seq, n, atMs, call }: { seq: number; n: number; atMs: number; call: string },
  mostCharacters: number,
): OtlpSpan | undefined => {
  const record = parsedObject(call)
  const isTool = record?.type === 'tool'
  if (!isObject(record) || (!isTool && record.type !== 'model')) return undefined
  const { name, attributes } = isTool ? toolAttributes(record, mostCharacters) : turnAttributes(record, mostCharacters)
  const seconds = typeof record.duration_seconds === 'number' ? record.duration_seconds : 0
  const isFailed = isTool && record.status !== 'completed'
  return {
    ...placeOf(run, { spanId: spanIdOf(`${run.key}/${seq}/call/${n}`), parentSpanId: spanIdOf(`${run.key}/${seq}`) }),
    name,
    kind: isTool ? kinds.internal : kinds.client,
    startTimeUnixNano: nanos(atMs - seconds * 1000),
    endTimeUnixNano: nanos(atMs),
    attributes: otlpAttributes({ ...attributes, ...(isFailed && { 'error.type': stringOf(record.status) }) }),
    ...(isFailed && failedWith(`The tool call was ${record.status === 'refused' ? 'refused' : 'not successful'}`)),
  }
}
