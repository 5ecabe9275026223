import type { Engine } from '../../engine/engine.ts'
import { requireLevel } from '../../http/authorise.ts'
import { events, type ServerEvent } from '../../http/events.ts'
import { idempotencyScope } from '../../http/idempotency.ts'
import type { ScopedCall } from '../../http/implement.ts'
import { unknownMembersOf } from '../../http/input/unknown-members.ts'
import { Reply, rawJson } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../lib/json/json-values.ts'
import { openAiType } from '../../model/gateway/error-types.ts'
import { blockOfEitherSchema, isOfPlainCalls } from '../../model/gateway/gateway-call.ts'
import { mergedLabels, startLabels } from '../../model/runs/label.ts'
import type { Warning } from '../../model/warning.ts'
import type { Queries } from '../../store/database/database.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { readRunOutcome } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { lastEventId } from '../events/last-event-id.ts'
import type { Pulse } from '../events/pulse.ts'
import { checkStartLabels, runTrial, startRunOnce } from '../runs/start.ts'
import { agentLogTypes } from '../trajectories/agent-events.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { watchRun } from '../trajectories/watch.ts'
import { type AdmittedChat, type BeginDeps, requestOfChat } from './begin.ts'
import {
  type ChatRun,
  chunkId,
  completionOf,
  createdSeconds,
  finalText,
  metadataOf,
  runHeaders,
  usageOf,
} from './completion.ts'
import { checkChat, type SentChat } from './read.ts'

/** An event of a run for a chat: text for people, and data for programs. */
interface ChatProgress {
  /** Text for `delta.content`; null for data only. */
  content: string | null
  /** Data for `jetty_event`. */
  event: Record<string, unknown>
  /** The agent's complete message. */
  said?: string
}

/** Maximum characters of a text in a chat; the trajectory has all of it. */
const longestText = 4_000
const longestInput = 300
/** Maximum characters of a `jetty_event`. */
const longestEvent = 16_000

const clip = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const line = (text: string): string => `${clip(text, longestText)}\n`

const stepLine = (step: Record<string, unknown>): string | null => {
  const name = textOf(step.key)
  if (step.status === 'running') return line(`Step '${name}' (${textOf(step.activity)}) started`)
  if (step.status === 'failed') return line(`Step '${name}' failed: ${textOf(step.error)}`)
  if (step.status === 'completed' || step.status === 'cancelled') return line(`Step '${name}' ${step.status}`)
  return null
}

/** Members of a step that a chat reports; inputs and outputs are in the trajectory. */
const toldOfStep = ['key', 'activity', 'status', 'error', 'attempt', 'created', 'ended', 'duration_seconds']

const stepProgress = (step: Record<string, unknown>): ChatProgress => ({
  content: stepLine(step),
  event: { type: 'step', ...Object.fromEntries(toldOfStep.map((name) => [name, step[name] ?? null])) },
})

/** Describes an agent's event for people. */
const agentText = (event: Record<string, unknown>): string | null => {
  switch (event.type) {
    case 'message':
      return event.role === 'assistant' ? line(`${clip(textOf(event.text), longestText)}\n`) : null
    case 'tool_call':
      return line(`→ ${textOf(event.name)} ${clip(JSON.stringify(event.input) ?? '', longestInput)}`)
    case 'tool_result':
      return event.is_error ? line(`← failed: ${clip(textOf(event.output), longestInput)}`) : null
    case 'phase':
    case 'warning':
    case 'error':
      return line(textOf(event.message))
    default:
      return null
  }
}

/** Shortens the texts of an event that is too large for a chat. */
const bounded = (event: Record<string, unknown>): Record<string, unknown> => {
  if (JSON.stringify(event).length <= longestEvent) return event
  const parts = Object.entries(event).map(([name, value]) => {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
    return [name, text.length > longestInput ? clip(text, longestInput) : value]
  })
  return { ...Object.fromEntries(parts), truncated: true }
}

const agentTypes: ReadonlySet<unknown> = new Set(Object.values(agentLogTypes))

const logProgress = (log: Record<string, unknown>): ChatProgress => {
  const { type, step, timestamp, level, message, attributes } = log
  const told = { type, step, timestamp, level }
  if (!agentTypes.has(type) || !isObject(attributes)) {
    const content = type === 'step_failed' ? null : line(textOf(message)) // the step reports it
    return { content, event: bounded({ ...told, message, attributes }) }
  }
  const said = attributes.type === 'message' && attributes.role === 'assistant' ? textOf(attributes.text) : undefined
  return {
    content: agentText(attributes),
    event: bounded({ ...attributes, ...told }),
    ...(said !== undefined && { said }),
  }
}

/** Converts an event of the run for the chat; undefined for events that are not reported. */
const chatProgress = ({ event: kind, data }: ServerEvent): ChatProgress | undefined => {
  const value = parsedObject(data)
  if (!value) return undefined
  if (kind === 'step') return stepProgress(value)
  if (kind === 'log') return logProgress(value)
  if (kind === 'status' || kind === 'label') return { content: null, event: bounded({ type: kind, ...value }) }
  return undefined
}

interface StreamDeps extends DocumentDeps {
  database: Queries
  pulse: Pulse
}

interface StreamOptions {
  includeUsage: boolean
  /** Id of the last event the client received. */
  after: number | undefined
  /** Fires when the server stops: the run continues without the stream. */
  stopping: AbortSignal
}

/**
 * Streams a run as chat completion chunks: its ids, its events, then its status. Event ids equal those of the run's own
 * stream, so that a client can resume one with the other.
 */
async function* chatEvents(
  deps: StreamDeps,
  of: ChatRun,
  options: StreamOptions,
  gone: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const chunk = makeChunk(of, options)
  const metadata = metadataOf(of, 'running')
  const { trajectory_id, workflow_id } = metadata
  yield chunk({ role: 'assistant', content: '' }, { jetty_metadata: metadata, trajectory_id, workflow_id })
  const told: Told = { message: undefined, failed: false }
  for await (const event of watchedUntil(deps, of.run, options, gone)) {
    if (event.event === 'end') {
      const outcome = await readRunOutcome(deps.database, of.run.id)
      if (!outcome) break
      const run = { ...of.run, ...outcome.run }
      const trial = of.trial && (await deps.lending.leftAfter(run.id))
      yield* lastChunks(chunk, { ...of, run, trial }, outcome.steps, told, options)
      return
    }
    const progress = chatProgress(event)
    if (!progress) continue
    if (progress.said !== undefined) told.message = progress.said
    if (progress.event.type === 'step' && progress.event.status === 'failed') told.failed = true
    yield {
      ...chunk(progress.content === null ? {} : { content: progress.content }, { jetty_event: progress.event }),
      ...(event.id !== undefined && { id: event.id }),
    }
  }
  if (gone.aborted) return
  yield failure(options.stopping.aborted ? whyStopped(options.stopping) : runGone(), metadata)
}

/** Yields the events of a run until it ends, the client disconnects, or the server stops. */
async function* watchedUntil(
  deps: StreamDeps,
  run: RunRow,
  { after, stopping }: StreamOptions,
  gone: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const over = new AbortController()
  const stop = () => over.abort()
  for (const signal of [gone, stopping]) signal.addEventListener('abort', stop, { once: true })
  if (gone.aborted || stopping.aborted) stop()
  try {
    yield* watchRun(deps, run, { after: after ?? 0, view: 'full', signal: over.signal })
  } finally {
    for (const signal of [gone, stopping]) signal.removeEventListener('abort', stop)
  }
}

/** The part of a stream that the client has received. */
interface Told {
  /** Last message of the agent. */
  message: string | undefined
  failed: boolean
}

type Chunk = (delta: object, more?: object, finishReason?: 'stop') => ServerEvent

const makeChunk = (of: ChatRun, { includeUsage }: StreamOptions): Chunk => {
  const head = {
    id: chunkId(of),
    object: 'chat.completion.chunk',
    created: createdSeconds(of),
    model: of.model,
  }
  return (delta, more = {}, finishReason) => ({
    data: JSON.stringify({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason ?? null }],
      ...(includeUsage && { usage: null }),
      ...more,
    }),
  })
}

function* lastChunks(
  chunk: Chunk,
  of: ChatRun,
  steps: StepRecord[],
  told: Told,
  { includeUsage, after }: StreamOptions,
): Generator<ServerEvent> {
  const { run } = of
  const text = finalText(run, steps)
  const isResumed = after !== undefined && steps.some(isOfAgent)
  const isTold = run.status === 'completed' ? told.message === text || isResumed : told.failed
  if (!isTold) yield chunk({ content: text })
  const metadata = metadataOf(of)
  const { trajectory_id, workflow_id } = metadata
  const end = { jetty_event: { type: 'end', status: run.status, error: run.error } }
  yield chunk({}, { jetty_metadata: metadata, trajectory_id, workflow_id, ...end }, 'stop')
  if (includeUsage) {
    yield { data: JSON.stringify({ ...parsedObject(chunk({}).data), choices: [], usage: usageOf(steps) }) }
  }
  yield { data: '[DONE]' }
}

/** Tells whether the step's text is the agent's last message. */
const isOfAgent = ({ outputs }: StepRecord): boolean => 'results_dir' in (parsedObject(outputs ?? '') ?? {})

const serverStops = () =>
  new AppError('stopping', 'The server is stopping; the run continues without this stream', {
    hint: 'Follow the run at events_url, or repeat the request with the same Idempotency-Key; send Last-Event-ID in both cases.',
  })

/** Only the end of an access gives a reason. */
const whyStopped = ({ reason }: AbortSignal): AppError => (reason instanceof AppError ? reason : serverStops())

const runGone = () => new AppError('not_found', 'The run was deleted in the meantime')

/** OpenAI's clients throw on an `error` member. */
const failure = ({ code, message, hint, status }: AppError, metadata: object): ServerEvent => ({
  data: JSON.stringify({
    error: { message, type: openAiType(status), param: null, code },
    detail: message,
    ...(hint && { hint }),
    jetty_metadata: metadata,
  }),
})

type ChatCall = ScopedCall<SentChat>

interface RunbookChatDeps extends BeginDeps, Pick<DocumentDeps, 'definitions' | 'links'> {
  engine: Engine
  pulse: Pulse
}

/** Members of a chat that change its answer, but not the run. */
const ofTheAnswer = ['stream', 'stream_options']

/** The part of a chat that must be the same when its Idempotency-Key is sent again. Whether it streams may change. */
const sameRun = ({ sent, labels }: SentChat): unknown => {
  const { timeout_hint: _, ...block } = isObject(sent.jetty) ? sent.jetty : {}
  const kept = Object.entries(sent).filter(([name]) => !ofTheAnswer.includes(name))
  return { ...Object.fromEntries(kept), jetty: block, ...(labels.length > 0 && { labels }) }
}

const unknownIn = unknownMembersOf(blockOfEitherSchema)

/** A warning for each member of the block that means nothing for a runbook. */
const warningsOf = ({ sent: { jetty: block } }: SentChat): Warning[] => [
  ...(unknownIn?.({ jetty: block }) ?? []),
  ...Object.keys(isObject(block) ? block : {})
    .filter(isOfPlainCalls)
    .map((name) => ({
      field: `jetty.${name}`,
      message: `jetty.${name} is for calls of a model, and was ignored for a runbook`,
      did_you_mean: null,
    })),
]

const isAssumed = 'The block asks for a runbook unless it says otherwise. For a call of the model, add "runbook": false'

/** Whether a chat shows that it means a runbook: its block says so, or a message has a heading or frontmatter. */
const meansRunbook = ({ sent }: SentChat): boolean => {
  const { jetty: block, messages } = sent
  if (isObject(block) && (block.runbook != null || block.runbook_url != null)) return true
  return objectsOf(messages).some(
    ({ role, content }) => role !== 'user' && /^(?:#{1,6} |---$)/m.test(stringOf(content)),
  )
}

/** Explains a refusal to a client that perhaps wanted no runbook. */
const withMode = (error: unknown, body: SentChat): unknown => {
  if (!(error instanceof AppError) || error.code !== 'invalid' || meansRunbook(body)) return error
  const { message, issues, hint } = error
  const issue = { loc: ['body', 'jetty', 'runbook'], msg: isAssumed, type: 'missing' }
  return new AppError('invalid', message, {
    hint: hint === undefined ? isAssumed : `${hint} ${isAssumed}`,
    ...(issues && { issues: [...issues, issue] }),
  })
}

const databaseDoesNotAnswer = () =>
  new AppError('database_unavailable', 'The database does not answer right now', {
    hint: 'Try again in a moment.',
    retryAfterSeconds: 1,
  })

const clientLeft = () => new AppError('cancelled', 'The client left before the run ended; the run goes on')

/**
 * Makes the function that answers a chat with a runbook. It starts a run, and reports on it until it ends. The run
 * continues when the client disconnects.
 */
export const makeRunbookChat = (deps: RunbookChatDeps): ((call: ChatCall) => Promise<Reply>) => {
  const { database, engine, lending, settings, links } = deps
  const begin = async (call: ChatCall, asked: AdmittedChat): Promise<ChatRun> => {
    const { chat, labels, identity, collection, signal } = asked
    const { use_trial_keys: isTrial } = chat.jetty
    checkStartLabels(labels, settings.maxLabelsPerRun, ['body', 'jetty', 'labels'])
    const idempotencyKey = call.headers['idempotency-key']
    if (idempotencyKey === undefined && call.headers['last-event-id'] !== undefined) {
      throw invalidField(
        ['header', 'Last-Event-ID'],
        'Last-Event-ID needs the Idempotency-Key of the first request: send both, or follow events_url',
      )
    }
    const place = { identity, collection, task: undefined }
    const scope = idempotencyScope('runbookChat', place, {}, idempotencyKey)
    const run = await startRunOnce(deps, {
      call: { idempotencyScope: scope, signal, headers: call.headers },
      sent: sameRun(call.body),
      ...(isTrial && { trial: runTrial(deps) }),
      prepare: () => requestOfChat(deps, asked),
    })
    return {
      run,
      publicUrl: links.publicUrl,
      model: chat.model || chat.jetty.agent || 'runbook',
      trial: run.trial ?? undefined,
    }
  }

  /** Waits for the run to end. Stops earlier at the client's timeout, at its disconnect, and when the server stops. */
  const answerWhole = async (call: ChatCall, of: ChatRun, { chat, signal }: AdmittedChat): Promise<Reply> => {
    const time = AbortSignal.timeout(chat.jetty.timeout_hint * 1000)
    const isOver = await engine.wait(of.run.id, AbortSignal.any([time, signal, call.stopping]))
    if (signal.aborted) throw clientLeft()
    const outcome = isOver ? await readRunOutcome(database, of.run.id) : undefined
    if (isOver && !outcome) throw new AppError('not_found', 'The run was deleted in the meantime')
    const trial = of.trial && outcome ? await lending.leftAfter(of.run.id) : of.trial
    const ended = outcome && { run: { ...of.run, ...outcome.run }, steps: outcome.steps }
    const text = JSON.stringify(completionOf({ ...of, trial }, ended))
    return rawJson(text, { status: ended ? 200 : 202, headers: runHeaders(of) })
  }

  const answerStream = async (call: ChatCall, of: ChatRun, { chat }: AdmittedChat): Promise<Reply> => {
    const after = await lastEventId(database, call.headers['last-event-id']?.toString())
    const options = { includeUsage: chat.stream_options?.include_usage === true, after, stopping: call.ending }
    // When the server stops, the stream still says so: nothing may close it before.
    const reply = events({ ending: new AbortController().signal }, (gone) => chatEvents(deps, of, options, gone))
    return new Reply(reply.body, { ...reply.headers, ...runHeaders(of) })
  }

  return async (call) => {
    const { identity, collection, databaseAway, signal } = call
    if (databaseAway) throw databaseDoesNotAnswer()
    requireLevel(identity, 'write')
    for (const warning of warningsOf(call.body)) call.warn(warning)
    const begun = async () => {
      const chat = checkChat(call.body)
      const labels = mergedLabels(call.body.labels, startLabels(chat.jetty))
      const asked: AdmittedChat = { identity, collection, chat, labels, signal }
      return { asked, of: await begin(call, asked) }
    }
    const { asked, of } = await begun().catch((error: unknown) => {
      throw withMode(error, call.body)
    })
    return asked.chat.stream ? answerStream(call, of, asked) : answerWhole(call, of, asked)
  }
}
