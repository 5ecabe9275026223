import {
  type Activity,
  type ActivityContext,
  type ActivityResult,
  type Decision,
  FailedWith,
  type Json,
  type StepModels,
  WaitForDecision,
  WaitForRuns,
  WaitUntil,
} from '../src/activities/activity.ts'
import { AppError } from '../src/lib/errors.ts'
import { extensionOf } from '../src/lib/files/media-type.ts'
import type { NewProduct } from '../src/model/data/product.ts'
import { type AwaitedEvent, WaitForEvent } from '../src/model/events/awaited-event.ts'
import type { ModelAnswer } from '../src/model/gateway/chat.ts'

interface TestFile {
  content_type: string
  body: Uint8Array | string
  name?: string
}

export interface TestContext extends ActivityContext {
  /** Every file that exists, the saved ones included, by storage path. */
  stored: Map<string, { name: string; content_type: string; bytes: Buffer }>
  warnings: string[]
  /** Datasets and models that were registered, in order. */
  registered: NewProduct[]
  /** Labels that were set, in order. */
  labelled: { trajectory_id: string; key: string; value: string; author: string }[]
}

interface TestOptions {
  initParams?: Record<string, Json>
  files?: Record<string, TestFile>
  env?: Record<string, string>
  started?: Date
  /** Whether an attempt before this one was cut off. */
  interrupted?: boolean
  turn?: number
  fetch?: ActivityContext['fetch']
  /** What answers in the place of every chat model. */
  models?: (...asked: Parameters<StepModels['chat']>) => ModelAnswer | Promise<ModelAnswer>
  /** What answers the other kinds of calls. */
  calls?: Partial<StepModels>
  /** What is read of other runs. */
  runs?: Partial<ActivityContext['runs']>
  settings?: Partial<ActivityContext['settings']>
  /** What was decided about the step. */
  decision?: Decision
  /** What came of its wait for an event. */
  event?: AwaitedEvent
  carryOutRunbook?: ActivityContext['carryOutRunbook']
  runScript?: ActivityContext['runScript']
  tools?: ActivityContext['tools']
}

/** An answer of a model that says this text. */
export const modelAnswer = (text: string, more: Partial<ModelAnswer> = {}): ModelAnswer => ({
  completion: {
    id: 'chatcmpl-test',
    model: 'test-model',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  },
  text,
  provider: 'test',
  model: 'test-model',
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  cost_usd: 0.001,
  ...more,
})

const noModel = () => Promise.reject(new AppError('network_failed', 'no such call in this test'))

/** A context for unit tests of activities: files in memory, no network unless a `fetch` is given. */
export const makeTestContext = (options: TestOptions = {}): TestContext => {
  const stored: TestContext['stored'] = new Map()
  for (const [path, file] of Object.entries(options.files ?? {})) {
    const name = file.name ?? path.slice(path.lastIndexOf('/') + 1)
    stored.set(path, { name, content_type: file.content_type, bytes: Buffer.from(file.body) })
  }
  const warnings: string[] = []
  const labelled: TestContext['labelled'] = []
  const registered: NewProduct[] = []
  let saved = 0
  return {
    run: { key: 'run-key', trajectory_id: '1f2e3d4c', collection: 'acme', task: 'brief', author: 'test' },
    step: {
      name: 'step',
      seq: 0,
      turn: options.turn ?? 1,
      attempt: 1,
      interrupted: options.interrupted ?? false,
      started: options.started ?? new Date('2026-01-01T00:00:00Z'),
      timeLimitSeconds: 600,
    },
    owner: { payer: 1, collectionId: 1 },
    idempotencyKey: 'run-key/0',
    signal: new AbortController().signal,
    initParams: options.initParams ?? {},
    env: (name) => options.env?.[name],
    workerJob: noModel,
    trace: () => ({}),
    files: {
      async open(path) {
        const file = stored.get(path)
        if (!file) throw new AppError('not_found', `There is no file '${path}' in collection 'acme'`)
        const { name, content_type, bytes } = file
        return { path, name, content_type, size: bytes.length, bytes: async () => bytes }
      },
      async save({ name, content_type, body }) {
        const path = `acme/brief/0000/1f2e3d4c.step.${String(saved).padStart(4, '0')}.${name}`
        saved += 1
        const parts: Buffer[] = []
        if (typeof body === 'string') parts.push(Buffer.from(body))
        else if (body instanceof Uint8Array) parts.push(Buffer.from(body))
        else for await (const text of body) parts.push(Buffer.from(text))
        const bytes = Buffer.concat(parts)
        stored.set(path, { name, content_type, bytes })
        return { path, name, extension: extensionOf(name), content_type, size: bytes.length }
      },
    },
    recordStart: async () => {},
    decision: async () => options.decision,
    event: async () => options.event,
    tools: options.tools,
    carryOutRunbook:
      options.carryOutRunbook ?? (() => Promise.reject(new AppError('sandbox_unavailable', 'no sandbox in this test'))),
    runScript:
      options.runScript ?? (() => Promise.reject(new AppError('sandbox_unavailable', 'no sandbox in this test'))),
    models: {
      async chat(...asked) {
        if (!options.models) throw new AppError('network_failed', 'no model in this test')
        return options.models(...asked)
      },
      embed: noModel,
      image: noModel,
      predict: noModel,
      uploadInput: noModel,
      ...options.calls,
    },
    labels: { set: async (label) => void labelled.push(label) },
    products: {
      async register(product) {
        registered.push(product)
        const counts = { added: 0, changed: 0, removed: 0, unchanged: 0, files: 0 }
        return { ...counts, name: product.name, collection: 'acme', version: 0, created: true, count: 0 }
      },
    },
    runs: { read: async () => [], steps: async () => [], ...options.runs },
    settings: {
      modelFileBytes: 20 * 1024 * 1024,
      mediaFiles: 32,
      geminiImageModel: 'gemini-2.5-flash-image',
      initParamsBytes: 1024 * 1024,
      loopTurns: 1_000,
      sequenceNumbers: 100_000,
      toolLimits: { turns: 20, calls: 100, tokens: 2_000_000, costUsd: 5, resultCharacters: 65_536 },
      sqlLimits: { seconds: 600, rows: 1_000_000, bytes: 256 * 1024 * 1024 },
      transformLimits: { seconds: 20, memoryBytes: 512 * 1024 * 1024, inputBytes: 32 * 1024 * 1024 },
      checkSeconds: 20,
      ...options.settings,
    },
    fetch: options.fetch ?? (() => Promise.reject(new AppError('network_failed', 'no network in this test'))),
    sql: () => Promise.reject(new AppError('network_failed', 'no database in this test')),
    room: () => undefined,
    warn: (message) => warnings.push(message),
    log: (_, message) => warnings.push(message),
    stored,
    warnings,
    registered,
    labelled,
  }
}

/** Runs an activity as the engine does: null is not given, defaults apply, undeclared parameters arrive as `extra`. */
export const runActivity = async (
  activity: Activity,
  parameters: Record<string, Json>,
  context: ActivityContext = makeTestContext(),
): Promise<ActivityResult> => {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined)
  const declared = given.filter(([name]) => Object.hasOwn(activity.parameters.shape, name))
  const extra = given.filter(([name]) => !Object.hasOwn(activity.parameters.shape, name))
  const parsed = activity.parameters.safeParse(Object.fromEntries(declared))
  if (!parsed.success) throw new AppError('parameter_invalid', parsed.error.message)
  const result = await activity.run(
    activity.takesAnyParameter ? { ...parsed.data, extra: Object.fromEntries(extra) } : parsed.data,
    context,
  )
  // What comes out is what was promised, and nothing beside it.
  const promised = activity.outputs.def.catchall ? activity.outputs : activity.outputs.strict()
  if (result instanceof WaitForRuns || result instanceof WaitForDecision || result instanceof WaitForEvent)
    return result
  promised.parse(result instanceof WaitUntil || result instanceof FailedWith ? result.outputs : result)
  return result
}
