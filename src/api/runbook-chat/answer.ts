import type { Engine } from '../../engine/engine.ts'
import { requireLevel } from '../../http/authorise.ts'
import { events } from '../../http/events.ts'
import { idempotencyScope } from '../../http/idempotency.ts'
import type { ScopedCall } from '../../http/implement.ts'
import { unknownMembersOf } from '../../http/input/unknown-members.ts'
import { Reply, rawJson } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { objectsOf, stringOf } from '../../lib/json/json-values.ts'
import { authorOf, recordedBy } from '../../model/collections/identity.ts'
import { blockOfEitherSchema, isOfPlainCalls } from '../../model/gateway/gateway-call.ts'
import { startLabels } from '../../model/runs/label.ts'
import type { Warning } from '../../model/warning.ts'
import { makeLabelChanges } from '../../store/runs/label-changes.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { readRunOutcome } from '../../store/runs/step-records.ts'

import { lastEventId } from '../events/last-event-id.ts'
import type { Pulse } from '../events/pulse.ts'
import { runTrial } from '../runs/run-trial.ts'
import { startRunOnce } from '../runs/start-once.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { type AdmittedChat, type BeginDeps, requestOfChat } from './begin.ts'
import { type ChatRun, completionOf, runHeaders } from './completion.ts'
import { checkChat, type SentChat } from './read.ts'
import { chatEvents } from './stream.ts'

type ChatCall = ScopedCall<SentChat>

interface RunbookChatDeps extends BeginDeps, Pick<DocumentDeps, 'definitions' | 'links'> {
  engine: Engine
  pulse: Pulse
  settings: BeginDeps['settings'] & { maxLabelsPerRun: number }
}

/** Members of a chat that change its answer, but not the run. */
const ofTheAnswer = ['stream', 'stream_options']

/** The part of a chat that must be the same when its Idempotency-Key is sent again. Whether it streams may change. */
const sameRun = ({ sent }: SentChat): unknown => {
  const { timeout_hint: _, ...block } = isObject(sent.jetty) ? sent.jetty : {}
  const kept = Object.entries(sent).filter(([name]) => !ofTheAnswer.includes(name))
  return { ...Object.fromEntries(kept), jetty: block }
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
  const labelChanges = makeLabelChanges(database, { most: settings.maxLabelsPerRun })

  const label = async (run: RunRow, { chat, identity }: AdmittedChat): Promise<void> => {
    const labels = startLabels(chat.jetty)
    if (labels.length === 0) return
    const author = authorOf(identity)
    const label = { runId: run.id, author, recordedBy: recordedBy(identity) }
    for (const { key, value } of labels) await labelChanges.set({ ...label, key, value })
    deps.pulse.tell(run.id)
  }

  const begin = async (call: ChatCall, asked: AdmittedChat): Promise<ChatRun> => {
    const { chat, identity, collection, signal } = asked
    const { use_trial_keys: isTrial } = chat.jetty
    if (startLabels(chat.jetty).length > settings.maxLabelsPerRun) {
      throw invalidField(['body', 'jetty', 'labels'], `A run has at most ${settings.maxLabelsPerRun} labels`)
    }
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
      call: { idempotencyScope: scope, signal },
      sent: sameRun(call.body),
      ...(isTrial && { trial: runTrial(deps) }),
      prepare: () => requestOfChat(deps, asked),
    })
    await label(run, asked)
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
      const asked: AdmittedChat = { identity, collection, chat: checkChat(call.body), signal }
      return { asked, of: await begin(call, asked) }
    }
    const { asked, of } = await begun().catch((error: unknown) => {
      throw withMode(error, call.body)
    })
    return asked.chat.stream ? answerStream(call, of, asked) : answerWhole(call, of, asked)
  }
}
