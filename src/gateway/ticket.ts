import type { IncomingHttpHeaders } from 'node:http'
import type { Environment } from '../engine/environment/environment.ts'
import type { PlacedAdmission } from '../http/authorise.ts'
import { AppError } from '../lib/errors.ts'
import { newRunKey } from '../lib/ids.ts'
import { headerText } from '../lib/text/header-text.ts'
import { readTrace } from '../lib/text/trace-context.ts'
import { now } from '../lib/time.ts'
import type { CollectionSettings } from '../model/collections/collection-settings.ts'
import { authorOf } from '../model/collections/identity.ts'
import { flagSchema } from '../model/flag.ts'
import type { FailedAttempt } from '../model/gateway/chat.ts'
import type { RecordDestination } from '../model/gateway/recorded-call.ts'
import type { Shape } from '../model/gateway/shape.ts'
import type { StartLabel } from '../model/runs/label.ts'
import { callTask } from '../model/runs/own-tasks.ts'
import type { Provider } from '../providers/provider.ts'
import type { CacheKey } from '../store/calls/answer-cache.ts'
import type { Lending } from '../store/collections/lending.ts'
import { labelsOfCall } from './call-labels.ts'
import { type AskedCall, hasOptions } from './read-call.ts'
import type { FinishedCall } from './record/finished-call.ts'

/** The use of a trial by one call. */
interface TrialCall {
  /** The run key of its record, under which it is counted. */
  runKey: string
  /** Names of the keys that are lent to the call. */
  lent: readonly string[]
  /** Headers that report the rest of the trial after the call. */
  headers: Record<string, string>
}

/** Counts a call that asks for keys of the server; undefined when it needs none. Throws `forbidden` as a run does. */
export const beginTrialCall = async (
  lending: Lending,
  { collection }: PlacedAdmission,
): Promise<TrialCall | undefined> => {
  const runKey = newRunKey()
  const { id: collectionId, environment_id: environmentId } = collection
  const loan = await lending.reserve({ collectionId, environmentId, secrets: {}, runKey })
  if (!loan) return undefined
  const { runs_remaining: runs, minutes_remaining: minutes } = loan.trial
  return {
    runKey,
    lent: loan.lent,
    headers: { 'x-jetty-trial-runs-remaining': String(runs), 'x-jetty-trial-minutes-remaining': String(minutes) },
  }
}

/** A finished call with its use of a trial. */
interface EndedTrialCall {
  key: string
  place: { collectionId: number }
  startedMs: number
  trial: TrialCall | undefined
}

/**
 * Counts how long a call took, whether or not it is recorded. An error is ignored: when the database is away, the record
 * that is written later has the time too.
 */
export const endTrialCall = async (
  lending: Lending,
  { key, place, startedMs, trial }: EndedTrialCall,
): Promise<void> => {
  if (!trial) return
  const seconds = Math.max(0, now() - startedMs) / 1000
  await lending.settle({ collectionId: place.collectionId, runKey: key }, seconds).catch(() => {})
}

/** An admitted call: the part of its record that is known before a provider is called. */
export type Ticket = Pick<
  FinishedCall,
  | 'key'
  | 'trajectoryId'
  | 'place'
  | 'author'
  | 'trace'
  | 'scrub'
  | 'shape'
  | 'stream'
  | 'request'
  | 'hasOptions'
  | 'startedMs'
> & {
  labels: readonly StartLabel[]
  /** The provider that answers, once known. */
  provider: Provider | null
  model: string
  /** The client does not get the event that states the usage: the gateway asked for it. */
  hidesUsage: boolean
  /** The client reads the stream as one JSON array instead of events. */
  isArray: boolean
  /** False: nothing is written down of it. */
  recorded: boolean
  databaseAway: boolean
  /** Settings of its collection; those that were never set are missing. */
  settings: Partial<CollectionSettings>
  /** The deployment that was asked last, if its model has several. */
  deployment: string | undefined
  /** Models that failed before. */
  attempts: FailedAttempt[]
  /** The use of a trial. */
  trial: TrialCall | undefined
  /** Whether the answer came from the cache. */
  cached: boolean
  /** The cache key to store the answer under, if it is to be cached. */
  cacheKey?: CacheKey
}

/** The end of a call. */
export type Outcome = Pick<FinishedCall, 'status' | 'httpStatus' | 'error' | 'answer' | 'firstByteMs'>

/** Records the end of a call. Returns `off` if it is not to be recorded. */
export type Keep = (ticket: Ticket, outcome: Outcome) => Promise<RecordDestination | 'off'>

/**
 * Reads the record header. An unknown value is refused: a typing error must not cause a record that the caller does not
 * want.
 */
const readRecordHeader = (written: string | undefined): boolean => {
  if (written === undefined) return true
  const read = flagSchema.safeParse(written)
  if (read.success) return read.data
  throw new AppError('bad_request', 'X-Jetty-Record: expected on or off', {
    hint: 'Omit the header, or send off to leave the call unrecorded.',
  })
}

/**
 * Whether a call is recorded. The settings of its collection decide, its header overrides them, its block overrides
 * both.
 */
const isRecorded = ({ block }: AskedCall, headers: IncomingHttpHeaders, { collection }: PlacedAdmission): boolean =>
  block.record ??
  (readRecordHeader(headers['x-jetty-record']?.toString()) && (collection.settings?.record_calls ?? true))

/** Makes the ticket of a call with its ids, which the first headers already name. */
export const makeTicket = ({
  shape,
  asked,
  labels,
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
  /** Those of its header. */
  labels: readonly StartLabel[]
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
      payer: collection.payer,
      collection: collection.name,
      environmentId: collection.environment_id,
      taskName: asked.block.task ?? callTask(shape),
    },
    author: authorOf(identity),
    trace: readTrace(headers),
    labels: labelsOfCall(asked, labels, collection.settings?.labels_from),
    scrub: environment.scrub,
    shape,
    stream: asked.stream,
    hidesUsage: asked.hidesUsage,
    isArray: asked.isArray,
    request: asked.body,
    hasOptions: hasOptions(asked.members),
    startedMs,
    provider: null,
    model: asked.model,
    recorded: isRecorded(asked, headers, admission),
    databaseAway,
    settings: collection.settings ?? {},
    deployment: undefined,
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
  labels: ticket.labels,
  trace: ticket.trace,
  scrub: ticket.scrub,
  shape: ticket.shape,
  stream: ticket.stream,
  provider: ticket.provider,
  model: ticket.model,
  request: ticket.request,
  hasOptions: ticket.hasOptions,
  status: outcome.status,
  httpStatus: outcome.httpStatus,
  error: outcome.error,
  answer: outcome.answer,
  cached: ticket.cached,
  deployment: ticket.deployment,
  attempts: ticket.attempts,
  isBudgeted: ticket.settings.budget != null,
  startedMs: ticket.startedMs,
  firstByteMs: outcome.firstByteMs,
  endedMs: now(),
})

/**
 * The headers of every answer: those of the provider, where the call is recorded, and which provider answered. Assigned: conditional spreads take
 * Node 20 twenty times as long.
 */
export const ticketHeaders = (
  ticket: Ticket,
  record: RecordDestination | 'on' | 'off',
  ofProvider: Readonly<Record<string, string>>,
): Record<string, string> => {
  const headers: Record<string, string> = { ...ofProvider }
  if (ticket.recorded) headers['x-jetty-trajectory-id'] = ticket.trajectoryId
  headers['x-jetty-record'] = record
  if (ticket.trial) Object.assign(headers, ticket.trial.headers)
  if (ticket.cacheKey) headers['x-jetty-cache'] = ticket.cached ? 'hit' : 'miss'
  if (!ticket.provider) return headers
  headers['x-jetty-provider'] = ticket.provider.id
  headers['x-jetty-model'] = headerText(ticket.model, 200)
  if (ticket.deployment !== undefined) headers['x-jetty-deployment'] = headerText(ticket.deployment, 100)
  return headers
}
