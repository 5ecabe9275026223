import type { Engine } from '../../engine/engine.ts'
import { requireLevel } from '../../http/authorise.ts'
import { events } from '../../http/events.ts'
import { idempotencyScope } from '../../http/idempotency.ts'
import type { SocketCall } from '../../http/implement.ts'
import { unknownMembersOf } from '../../http/input/unknown-members.ts'
import { rawJson } from '../../http/reply.ts'
import { sendReply } from '../../http/send-reply.ts'
import { warningsHeader } from '../../http/warnings.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { authorOf, recordedBy } from '../../model/collections/identity.ts'
import { blockOfEitherSchema } from '../../model/gateway/gateway-call.ts'
import { makeLabelChanges } from '../../store/runs/label-changes.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { readRunOutcome } from '../../store/runs/step-records.ts'

import { lastEventId } from '../events/last-event-id.ts'
import type { Pulse } from '../events/pulse.ts'
import { startAsked } from '../runs/start.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { type AdmittedChat, type BeginDeps, requestOfChat } from './begin.ts'
import { type ChatRun, completionOf, runHeaders } from './completion.ts'
import { checkChat, readSent } from './read.ts'
import { chatEvents } from './stream.ts'

export interface RunbookChatDeps extends BeginDeps, Pick<DocumentDeps, 'definitions' | 'links'> {
  engine: Engine
  pulse: Pulse
  settings: BeginDeps['settings'] & { maxLabelsPerRun: number }
}

/** What of a chat does not change what is run. */
const ofTheAnswer = ['stream', 'stream_options']

/** What must be the same where the Idempotency-Key is: whoever asked for one piece may come back for the stream. */
const sameRun = ({ body }: ReturnType<typeof readSent>): unknown => {
  const { timeout_hint: _, ...block } = isObject(body.jetty) ? body.jetty : {}
  const kept = Object.entries(body).filter(([name]) => !ofTheAnswer.includes(name))
  return { ...Object.fromEntries(kept), jetty: block }
}

const unknownIn = unknownMembersOf(blockOfEitherSchema)

/** The body of the answer is OpenAI's: what of the block is not known stands in a header. */
const warnOfUnknown = ({ outgoing }: SocketCall, { jetty }: Record<string, unknown>): void => {
  const found = unknownIn?.({ jetty }).map(({ message }) => message) ?? []
  if (found.length > 0) outgoing.setHeaders(new Headers(warningsHeader(found)))
}

/**
 * Makes the function that answers a chat which asks for a runbook: it starts a run, and tells of it until it has ended
 * or the client has left, which does not end the run.
 */
export const makeRunbookChat = (deps: RunbookChatDeps): ((call: SocketCall, bytes: Buffer) => Promise<void>) => {
  const { database, engine, lending, settings, links } = deps
  const labelChanges = makeLabelChanges(database, { most: settings.maxLabelsPerRun })

  const label = async (run: RunRow, { chat, identity }: AdmittedChat): Promise<void> => {
    const { labels } = chat.jetty
    if (!labels?.length) return
    const author = authorOf(identity)
    const label = { runId: run.id, author, recordedBy: recordedBy(identity) }
    for (const { key, value } of labels) await labelChanges.set({ ...label, key, value })
    deps.pulse.tell(run.id)
  }

  const begin = async (call: SocketCall, asked: AdmittedChat, sent: unknown): Promise<ChatRun> => {
    const { chat, identity, collection, signal } = asked
    const { use_trial_keys: isTrial, labels } = chat.jetty
    if ((labels?.length ?? 0) > settings.maxLabelsPerRun) {
      throw invalidField(['body', 'jetty', 'labels'], `A run has at most ${settings.maxLabelsPerRun} labels`)
    }
    const idempotencyKey = call.incoming.headers['idempotency-key']
    if (idempotencyKey === undefined && call.incoming.headers['last-event-id'] !== undefined) {
      throw invalidField(
        ['header', 'Last-Event-ID'],
        'Last-Event-ID needs the Idempotency-Key of the first request: send both, or follow events_url',
      )
    }
    const place = { identity, collection, task: undefined }
    const scope = idempotencyScope('runbookChat', place, {}, idempotencyKey)
    const run = await startAsked(deps, {
      call: { idempotencyScope: scope, signal },
      sent,
      useTrialKeys: isTrial === true,
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

  /** Waits for the end, the time that the client gives it, its leaving, or the end of the server. */
  const answerWhole = async (call: SocketCall, of: ChatRun, { chat, signal }: AdmittedChat): Promise<void> => {
    const time = AbortSignal.timeout(chat.jetty.timeout_hint * 1000)
    const isOver = await engine.wait(of.run.id, AbortSignal.any([time, signal, call.stopping]))
    if (signal.aborted) return
    const outcome = isOver ? await readRunOutcome(database, of.run.id) : undefined
    if (isOver && !outcome) throw new AppError('not_found', 'The run was deleted in the meantime')
    const trial = of.trial && outcome ? await lending.leftAfter(of.run.id) : of.trial
    const ended = outcome && { run: { ...of.run, ...outcome.run }, steps: outcome.steps }
    const text = JSON.stringify(completionOf({ ...of, trial }, ended))
    await sendReply(call, rawJson(text, { status: ended ? 200 : 202, headers: runHeaders(of) }))
  }

  const answerStream = async (call: SocketCall, of: ChatRun, { chat }: AdmittedChat): Promise<void> => {
    const after = await lastEventId(database, call.incoming.headers['last-event-id']?.toString())
    const options = { includeUsage: chat.stream_options?.include_usage === true, after, stopping: call.stopping }
    // What it says as the server stops is its own: it is not to be closed before.
    const reply = events({ stopping: new AbortController().signal }, (gone) => chatEvents(deps, of, options, gone))
    await sendReply(call, { ...reply, headers: { ...reply.headers, ...runHeaders(of) } })
  }

  return async (call, bytes) => {
    const sent = readSent(bytes, call.incoming.headers['x-jetty-collection']?.toString())
    const admission = await call.admit(sent.collection).checked
    if (admission.databaseAway) throw databaseAway()
    requireLevel(admission.identity, 'write')
    const gone = new AbortController()
    call.outgoing.once('close', () => gone.abort())
    const { identity, collection } = admission
    warnOfUnknown(call, sent.body)
    const asked: AdmittedChat = { identity, collection, chat: checkChat(sent), signal: gone.signal }
    const of = await begin(call, asked, sameRun(sent))
    await (asked.chat.stream ? answerStream(call, of, asked) : answerWhole(call, of, asked))
  }
}

const databaseAway = () =>
  new AppError('database_unavailable', 'The database does not answer right now', {
    hint: 'Try again in a moment.',
    retryAfterSeconds: 1,
  })
