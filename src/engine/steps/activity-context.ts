import { buffer } from 'node:stream/consumers'
import type { ActivityContext, FileContent, MediaObject } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import { isTextFile } from '../../lib/files/media-type.ts'
import type { Scrubber } from '../../lib/secrets/scrub.ts'
import { traceHeaders } from '../../lib/text/trace-context.ts'
import { now } from '../../lib/time.ts'
import type { NewProduct } from '../../model/data/product.ts'
import { attemptsAmong } from '../../model/runs/step-attempts.ts'
import type { Queries } from '../../store/database/database.ts'
import { findFile, type FileRow as StoredFile } from '../../store/files/files.ts'
import { stepFilePath } from '../../store/files/storage-path.ts'
import type { StoredObject } from '../../store/objects/objects.ts'
import { runReader } from '../journal/read-runs.ts'
import { traceOfStep } from '../leases/run-keys.ts'
import { isEconomical } from './economy.ts'
import { stepModels } from './model-rules.ts'
import type { StepDeps } from './step-at-work.ts'
import type { StepPlace, StepRun } from './step-run.ts'
import { logLine, type StepSide, warningEvent } from './step-side.ts'
import type { StorageWait } from './storage-wait.ts'

/** What differs in the context of a tool call, and of a step with tools. */
export interface OwnContext {
  tools?: ActivityContext['tools']
  idempotencyKey?: string
  interrupted?: boolean
}

/** Everything an activity may touch, bound to one step of one run. */
export const activityContext = (
  engine: StepDeps,
  run: StepRun,
  place: StepPlace,
  side: StepSide,
  attempt: number,
  timeLimitSeconds: number,
  signal: () => AbortSignal,
  {
    carryOutRunbook,
    runScript,
    recordStart,
    initParams,
  }: Pick<ActivityContext, 'carryOutRunbook' | 'runScript' | 'recordStart'> & { initParams: Record<string, unknown> },
  room: ActivityContext['room'],
  onceStored: StorageWait,
  { tools, idempotencyKey, interrupted }: OwnContext = {},
): ActivityContext => {
  const trace = () => traceHeaders(traceOfStep(engine.traceSampler, run, place.seq))
  const warn: ActivityContext['warn'] = (message, attributes) => side.warnings.push(warningEvent(message, attributes))
  return new StepContext(signal, {
    run: {
      key: run.key,
      trajectory_id: run.trajectoryId,
      collection: run.collection,
      task: run.task,
      author: run.author,
    },
    step: {
      name: place.name,
      seq: place.seq,
      turn: place.turn,
      attempt,
      interrupted: interrupted ?? isInterrupted(side),
      started: place.started ?? new Date(now()),
      timeLimitSeconds,
    },
    owner: run,
    idempotencyKey: idempotencyKey ?? `${run.key}/${place.seq}`,
    initParams: initParams as ActivityContext['initParams'],
    env: (name) => run.environment.get(name),
    files: {
      open: (path) => openFile(engine, run, path, room, onceStored),
      async save(file) {
        const stored = await storeBody(engine, run.environment.scrub, file, onceStored)
        const index = side.numbering ? side.numbering.next++ : side.files.length
        const path = stepFilePath({ ...run, step: place.name, index, name: file.name })
        const { id: object, size, sha256 } = stored
        side.files.push({ path, object, name: file.name, contentType: file.content_type, size, sha256 })
        return mediaObject(path, file.name, file.content_type, size)
      },
    },
    trace,
    labels: {
      set: ({ trajectory_id, key, value, author }) => {
        const { text } = run.environment.scrub
        return engine.labels.set(run.collectionId, {
          trajectory_id,
          key: text(key),
          value: text(value),
          author: text(author),
          recordedBy: `run:${run.trajectoryId}`,
        })
      },
    },
    products: {
      register(product) {
        const maker = {
          ...{ runKey: run.key, trajectoryId: run.trajectoryId, task: run.task, taskId: run.taskId },
          ...{ collectionId: run.collectionId, collection: run.collection, step: place.name },
        }
        const scrubbed = JSON.parse(run.environment.scrub.json(product)) as NewProduct
        return onceStored(() => engine.registerProduct({ ...maker, signal: signal() }, scrubbed))
      },
    },
    runs: runReader(engine, run, room),
    fetch: async (url, options) =>
      engine.fetch(url, {
        signal: signal(),
        room,
        ...options,
        headers: { ...trace(), ...options?.headers },
        allowedHosts: await engine.rules.allowedHosts(run.collectionId),
      }),
    sql: async (statement) =>
      engine.sql({
        ...statement,
        signal: signal(),
        allowedHosts: await engine.rules.allowedHosts(run.collectionId),
      }),
    decision: (expiry) => engine.readDecision({ run, seq: place.seq, side }, expiry),
    workerJob: (request) => engine.askWorkers({ run, place, side, attempt }, request),
    event: (expiresAt) => engine.readEvent({ run, seq: place.seq, side }, expiresAt),
    models: stepModels(engine, run, signal, side, warn, room, collectorOf(engine, { run, place, side }, attempt)),
    tools,
    carryOutRunbook,
    runScript,
    recordStart,
    settings: engine.activitySettings,
    room,
    warn,
    log: (level, message) => side.warnings.push(logLine(level, message)),
  })
}

/** What sends the chats of the step through batches; undefined: they are sent at once. */
const collectorOf = (engine: StepDeps, step: { run: StepRun; place: StepPlace; side: StepSide }, attempt: number) => {
  const { run, place } = step
  if (!isEconomical(run, place.step)) return undefined
  const { collectionId, taskId, key: runKey } = run
  return engine.collectFor(step, attempt, (cost) => engine.rules.spend({ collectionId, taskId, runKey, ...cost }))
}

/** Whether any attempt of the step was cut off: one that refused to go on and failed does not change that. */
const isInterrupted = ({ warnings }: StepSide): boolean => attemptsAmong(warnings).some(({ ended }) => ended === null)

type SavedFile = Parameters<ActivityContext['files']['save']>[0]

const noLimit = { maxBytes: Number.MAX_SAFE_INTEGER }

/** Stores a body. Bytes wait for a store that is away; a stream cannot be sent again, and its attempt fails. */
const storeBody = async (
  engine: StepDeps,
  scrub: Scrubber,
  { body, ...file }: SavedFile,
  onceStored: StorageWait,
): Promise<StoredObject> => {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    return engine.objects.put(scrubbedStream(scrub, body), noLimit)
  }
  const bytes = scrubbedBody(scrub, { body, ...file })
  return onceStored(() => engine.objects.put(bytes, noLimit))
}

async function* scrubbedStream(scrub: Scrubber, texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const bytes = scrub.bytes()
  for await (const text of texts) yield bytes.push(Buffer.from(text))
  yield bytes.rest()
}

/** In text secrets become `***`, in other files asterisks of the same length. */
const scrubbedBody = (scrub: Scrubber, file: SavedFile & { body: Uint8Array | string }): Uint8Array => {
  const { body, content_type } = file
  if (typeof body === 'string') return Buffer.from(scrub.text(body))
  if (!file.scrub || scrub.isEmpty) return body
  const bytes = scrub.bytes({ keepsLength: !isTextFile(content_type, body.subarray(0, 8 * 1024)) })
  return Buffer.concat([bytes.push(body), bytes.rest()])
}

/** A class for its getter: one in an object literal makes each such object anew, slowly. */
class StepContext implements ActivityContext {
  readonly run: ActivityContext['run']
  readonly step: ActivityContext['step']
  readonly idempotencyKey: string
  readonly owner: ActivityContext['owner']
  readonly initParams: ActivityContext['initParams']
  readonly env: ActivityContext['env']
  readonly files: ActivityContext['files']
  readonly trace: ActivityContext['trace']
  readonly labels: ActivityContext['labels']
  readonly products: ActivityContext['products']
  readonly runs: ActivityContext['runs']
  readonly fetch: ActivityContext['fetch']
  readonly sql: ActivityContext['sql']
  readonly decision: ActivityContext['decision']
  readonly workerJob: ActivityContext['workerJob']
  readonly event: ActivityContext['event']
  readonly models: ActivityContext['models']
  readonly tools: ActivityContext['tools']
  readonly carryOutRunbook: ActivityContext['carryOutRunbook']
  readonly runScript: ActivityContext['runScript']
  readonly recordStart: ActivityContext['recordStart']
  readonly settings: ActivityContext['settings']
  readonly room: ActivityContext['room']
  readonly warn: ActivityContext['warn']
  readonly log: ActivityContext['log']
  readonly #signal: () => AbortSignal

  constructor(signal: () => AbortSignal, given: Omit<ActivityContext, 'signal'>) {
    this.run = given.run
    this.step = given.step
    this.idempotencyKey = given.idempotencyKey
    this.owner = given.owner
    this.initParams = given.initParams
    this.env = given.env
    this.files = given.files
    this.trace = given.trace
    this.labels = given.labels
    this.products = given.products
    this.runs = given.runs
    this.fetch = given.fetch
    this.sql = given.sql
    this.decision = given.decision
    this.workerJob = given.workerJob
    this.event = given.event
    this.models = given.models
    this.tools = given.tools
    this.carryOutRunbook = given.carryOutRunbook
    this.runScript = given.runScript
    this.recordStart = given.recordStart
    this.settings = given.settings
    this.room = given.room
    this.warn = given.warn
    this.log = given.log
    this.#signal = signal
  }

  get signal(): AbortSignal {
    return this.#signal()
  }
}

export const mediaObject = (path: string, name: string, contentType: string, size: number): MediaObject => {
  const dot = name.lastIndexOf('.')
  return { path, name, extension: dot < 0 ? '' : name.slice(dot + 1), content_type: contentType, size }
}

/** Finds a file of the run's own collection. Throws `not_found`, also for files of other collections. */
export const fileOf = async (
  database: Queries,
  run: Pick<StepRun, 'collection' | 'collectionId'>,
  path: string,
): Promise<StoredFile> => {
  const file = await findFile(database, path)
  if (!file || file.collection_id !== run.collectionId) {
    throw new AppError('not_found', `There is no file '${path}' in collection '${run.collection}'`, {
      hint: 'Send the file with the run, or use a path from the outputs of an earlier step.',
    })
  }
  return file
}

/** Bytes of the file, and the text made of them. */
const copiesOfFile = 2

const openFile = async (
  engine: StepDeps,
  run: StepRun,
  path: string,
  room: ActivityContext['room'],
  onceStored: StorageWait,
): Promise<FileContent> => {
  const file = await fileOf(engine.database, run, path)
  return {
    path,
    name: file.name,
    content_type: file.content_type,
    size: file.size,
    async bytes() {
      await room(copiesOfFile * file.size)
      return onceStored(async () => buffer((await engine.objects.open(file.object)).stream))
    },
  }
}
