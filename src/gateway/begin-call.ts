import type { Environment } from '../engine/environment/environment.ts'
import { AppError } from '../lib/errors.ts'
import { neededInTime } from '../lib/in-time.ts'
import type { Identity } from '../model/collections/identity.ts'
import type { Shape } from '../model/gateway/shape.ts'
import type { Lending } from '../store/collections/lending.ts'
import type { Pauses } from '../store/collections/pauses.ts'
import type { Quota } from '../store/collections/quota.ts'
import type { OpenModelCall } from './open-model-calls.ts'
import { isCallTask } from './own-workflows.ts'
import type { ModelCall } from './read-call.ts'
import type { Recorder } from './record/recorder.ts'
import { makeTicket, type Ticket } from './ticket.ts'
import { beginTrialCall } from './trial-call.ts'

export interface BeginCallDeps {
  /** The variables of one version of an environment, with lent keys under these names. */
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  lending: Lending
  /** Refuses calls of paused collections. */
  pauses: Pick<Pauses, 'require'>
  /** Refuses a call that must be recorded if its collection has used up its quota. */
  quota: Pick<Quota, 'require'>
  recorder: Recorder
  /** Draws an unused trajectory id: the client gets it before the call is recorded. */
  drawTrajectoryId(): string
  /** Maximum labels of one run. */
  mostLabels: number
  /** Refuses calls that cannot be recorded in Postgres now. */
  recordingRequired: boolean
}

/** A call that may be sent to a model. */
interface BegunModelCall {
  ticket: Ticket
  environment: Environment
}

const unrecordable = (): AppError =>
  new AppError('database_unavailable', 'The call cannot be recorded: the database does not answer right now', {
    hint: 'JETTY_RECORDING_REQUIRED refuses calls that cannot be recorded. Try again in a moment.',
    retryAfterSeconds: 1,
  })

const noRoom = (): AppError =>
  new AppError('busy', 'Call records are queued faster than the database can store them', {
    hint: 'Try again in a moment. While the database is away, JETTY_SPILL_BYTES limits what is kept in files.',
    retryAfterSeconds: 5,
  })

/** Throws 403 when a read-only key names a task: it may not create tasks, nor add to the runs of others. */
const requireNaming = (identity: Identity, task: string | undefined): void => {
  if (identity.access !== 'READ' || task === undefined || isCallTask(task)) return
  throw new AppError('forbidden', 'Access level WRITE required.', {
    hint: 'Leave jetty.task out, or use a key with the access level WRITE: it names the task that a call is recorded under.',
  })
}

const tooManyLabels = (most: number): AppError =>
  new AppError('bad_request', `jetty.labels: a run has at most ${most} labels`, {
    hint: 'Send fewer labels, or raise JETTY_MAX_LABELS_PER_RUN.',
  })

/** Makes the function that prepares an admitted call: its trial, its environment, and room for its record. */
export const makeBeginCall =
  ({
    environmentOf,
    lending,
    pauses,
    quota,
    recorder,
    drawTrajectoryId,
    mostLabels,
    recordingRequired,
  }: BeginCallDeps) =>
  async (call: ModelCall, shape: Shape, underWay: OpenModelCall): Promise<BegunModelCall> => {
    const { headers, identity, collection, databaseAway } = call
    const { asked, receivedMs } = call.body
    requireNaming(identity, asked.block.task)
    pauses.require(collection.id)
    const trial = asked.block.use_trial_keys ? await neededInTime(beginTrialCall(lending, call)) : undefined
    if (trial) underWay.trial = { collectionId: collection.id, runKey: trial.runKey }
    const environment = await neededInTime(environmentOf(collection.environment_id, trial?.lent ?? []))
    const ticket = makeTicket({
      ...{ shape, asked, headers, admission: call, environment, startedMs: receivedMs, trial, databaseAway },
      trajectoryId: drawTrajectoryId(),
    })
    if (ticket.labels.length > mostLabels) throw tooManyLabels(mostLabels)
    if (!ticket.recorded) return { ticket, environment }
    if (databaseAway && recordingRequired) throw unrecordable()
    if (recorder.full) throw noRoom()
    const room = quota.require(collection.id)
    if (room) await neededInTime(room)
    return { ticket, environment }
  }
