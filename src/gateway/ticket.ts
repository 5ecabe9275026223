import type { IncomingHttpHeaders } from 'node:http'
import type { Environment } from '../engine/environment/environment.ts'
import type { PlacedAdmission } from '../http/authorise.ts'
import { AppError } from '../lib/errors.ts'
import { newRunKey } from '../lib/ids.ts'
import { headerText } from '../lib/text/header-text.ts'
import { now } from '../lib/time.ts'
import type { CollectionSettings } from '../model/collections/collection-settings.ts'
import { authorOf } from '../model/collections/identity.ts'
import { flagSchema } from '../model/flag.ts'
import type { FailedAttempt } from '../model/gateway/chat.ts'
import type { RecordDestination } from '../model/gateway/recorded-call.ts'
import type { Shape } from '../model/gateway/shape.ts'
import type { Provider } from '../providers/provider.ts'
import type { CacheKey } from '../store/calls/answer-cache.ts'
import type { AskedCall } from './asked.ts'
import { ownTask } from './own-workflows.ts'
import type { FinishedCall } from './record/finished-call.ts'
import type { TrialCall } from './trial-call.ts'

/** A call that was admitted: what of its record is known before anybody was asked. */
export type Ticket = Pick<
  FinishedCall,
  'key' | 'trajectoryId' | 'place' | 'author' | 'scrub' | 'shape' | 'stream' | 'request' | 'startedMs'
> & {
  /** Who answers, once that is known. */
  provider: Provider | null
  model: string
  /** False: nothing is written down of it. */
  recorded: boolean
  databaseAway: boolean
  /** What is set of its collection. */
  settings: Partial<CollectionSettings>
  /** Models that were asked in vain. */
  attempts: FailedAttempt[]
  /** What it uses of a trial. */
  trial: TrialCall | undefined
  /** Its answer came from the cache. */
  cached: boolean
  /** Under what its answer is kept to be given again, where it is to be. */
  cacheKey?: CacheKey
}

/** How a call ended. */
export type Outcome = Pick<FinishedCall, 'status' | 'httpStatus' | 'error' | 'answer' | 'firstByteMs'>

/** Writes down how a call ended; `off` where it is not to be. */
export type Keep = (ticket: Ticket, outcome: Outcome) => Promise<RecordDestination | 'off'>

/** Whoever does not want to be recorded must not be, because of a word that is not known. */
const readRecordHeader = (written: string | undefined): boolean => {
  const read = flagSchema.safeParse(written ?? 'on')
  if (read.success) return read.data
  throw new AppError('bad_request', 'X-Jetty-Record: expected on or off', {
    hint: 'Omit the header, or send off to leave the call unrecorded.',
  })
}

/** What a call is told by: the settings of its collection, its header, its block, the last word being the block's. */
const isRecorded = ({ block }: AskedCall, headers: IncomingHttpHeaders, { collection }: PlacedAdmission): boolean =>
  block.record ??
  (readRecordHeader(headers['x-jetty-record']?.toString()) && (collection.settings?.record_calls ?? true))

/** What is known of a call before anybody is asked, its ids among it: the first header names them. */
export const makeTicket = ({
  shape,
  asked,
  headers,
  admission,
  environment,
  startedMs,
  trajectoryId,
  trial,
  databaseAway,
}: {
  shape: Shape
  asked: AskedCall
  headers: IncomingHttpHeaders
  admission: PlacedAdmission
  environment: Environment
  startedMs: number
  trajectoryId: string
  trial: TrialCall | undefined
  databaseAway: boolean
}): Ticket => {
  const { identity, collection } = admission
  return {
    key: trial?.runKey ?? newRunKey(),
    trajectoryId,
    place: {
      collectionId: collection.id,
      collection: collection.name,
      environmentId: collection.environment_id,
      taskName: asked.block.task ?? ownTask(shape),
    },
    author: authorOf(identity),
    scrub: environment.scrub,
    shape,
    stream: asked.stream,
    request: asked.body,
    startedMs,
    provider: null,
    model: asked.model,
    recorded: isRecorded(asked, headers, admission),
    databaseAway,
    settings: collection.settings ?? {},
    attempts: [],
    cached: false,
    trial,
  }
}

/** The call as the recorder takes it. Written out: V8 takes ten times as long to spread the two. */
export const finishedCall = (ticket: Ticket, outcome: Outcome): FinishedCall => ({
  key: ticket.key,
  trajectoryId: ticket.trajectoryId,
  place: ticket.place,
  author: ticket.author,
  scrub: ticket.scrub,
  shape: ticket.shape,
  stream: ticket.stream,
  provider: ticket.provider,
  model: ticket.model,
  request: ticket.request,
  status: outcome.status,
  httpStatus: outcome.httpStatus,
  error: outcome.error,
  answer: outcome.answer,
  cached: ticket.cached,
  attempts: ticket.attempts,
  isBudgeted: ticket.settings.budget != null,
  startedMs: ticket.startedMs,
  firstByteMs: outcome.firstByteMs,
  endedMs: now(),
})

/** The headers by which every answer says what it is on record as, and who gave it. */
export const ticketHeaders = (ticket: Ticket, record: RecordDestination | 'on' | 'off'): Record<string, string> => ({
  ...(ticket.recorded ? { 'x-jetty-trajectory-id': ticket.trajectoryId } : {}),
  'x-jetty-record': record,
  ...ticket.trial?.headers,
  ...(ticket.cacheKey ? { 'x-jetty-cache': ticket.cached ? 'hit' : 'miss' } : {}),
  ...(ticket.provider
    ? { 'x-jetty-provider': ticket.provider.id, 'x-jetty-model': headerText(ticket.model, 200) }
    : {}),
})
