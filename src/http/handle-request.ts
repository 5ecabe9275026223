import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { AppError, isDatabaseUnavailable } from '../lib/errors.ts'
import { inTime } from '../lib/in-time.ts'
import { smallJson } from '../lib/json/large-json.ts'
import { noteWork } from '../lib/loop-watch.ts'
import { readWhole } from '../lib/memory/byte-blocks.ts'
import { nextSlice } from '../lib/slices.ts'
import { coveredIds, type Identity, ownerOf } from '../model/collections/identity.ts'
import type { Warning } from '../model/warning.ts'
import { type AdmissionCache, comeOften } from './admission-cache.ts'
import { type AuditNote, changesOf, recorded } from './audit.ts'
import { type AccessChecks, admit, type Credentials, credentialsOf } from './authorise.ts'
import { originOf } from './cors.ts'
import { closed, type Exchange, onGone } from './exchange.ts'
import { idempotencyScope } from './idempotency.ts'
import type { AnyCall, Call, ReadScopedBody, Route, ScopedBody } from './implement.ts'
import { bodyTooLarge, dataFactor, type JsonReading, readBytes } from './input/body.ts'
import { type CallMemory, memoryOwner, type Room } from './input/memory.ts'
import {
  type FileSink,
  type FormLimits,
  type PartNames,
  type ReceivedFile,
  type ReceivedForm,
  readForm,
} from './input/multipart.ts'
import { checkBody, readJsonBody } from './input/parse.ts'
import type { HttpOptions } from './options.ts'
import { jsonHeaders, Reply } from './reply.ts'
import type { ServedRoute } from './route-table.ts'

/** A body up to here is read before its token is checked: the database is asked for key and collection at once. */
const smallBody = 64 * 1024

interface ScopedBodyOptions {
  exchange: Exchange
  credentials: Credentials | undefined
  maxBytes: number
  readBody: ReadScopedBody<ScopedBody>
  params: Record<string, string>
  /** Whom the credentials are known to belong to, without a look into the database. */
  identityOf(credentials: Credentials): Identity | undefined
  /** Takes memory for a large body, for the identity that sends it. */
  roomFor(identity: Identity | undefined): Room
}

/** Throws 401 for a token that is not valid. While the database is away nothing is known, and the identity is undefined. */
const requireToken = async (
  checks: AccessChecks,
  { exchange, credentials, identityOf }: Pick<ScopedBodyOptions, 'exchange' | 'credentials' | 'identityOf'>,
): Promise<Identity | undefined> => {
  if (credentials === undefined) throw new AppError('unauthenticated', 'Not authenticated')
  const known = identityOf(credentials)
  if (known) return known
  try {
    return await checks.authenticate(credentials, exchange.incoming.socket.remoteAddress)
  } catch (error) {
    if (!isDatabaseUnavailable(error)) throw error
    return undefined
  }
}

const uncounted: Room = () => undefined

const readAdmitted = async (
  checks: AccessChecks,
  options: ScopedBodyOptions,
): Promise<{ bytes: Buffer; room: Room }> => {
  const { exchange, credentials, maxBytes, roomFor } = options
  const { incoming } = exchange
  if (credentials === undefined) throw new AppError('unauthenticated', 'Not authenticated')
  const size = Number(incoming.headers['content-length'])
  if (size > maxBytes) throw bodyTooLarge(maxBytes)
  if (size <= smallBody) return { bytes: await readBytes(incoming, maxBytes), room: uncounted }
  const room = roomFor(await requireToken(checks, options))
  return { bytes: await readBytes(incoming, maxBytes, room, size), room }
}

/**
 * Reads a body that names its collection, before the call is authorised. Large bodies take memory, so they are read
 * only for valid tokens. A wrong token is reported before any fault of the body.
 */
const readScopedBody = async (checks: AccessChecks, options: ScopedBodyOptions): Promise<ScopedBody> => {
  try {
    const { bytes, room } = await readAdmitted(checks, options)
    if (bytes.length > smallJson) await nextSlice() // many that come at once are read one by one
    const { params, exchange } = options
    return await options.readBody(bytes, exchange.incoming.headers, { params, target: exchange.target }, room)
  } catch (problem) {
    await requireToken(checks, options)
    throw problem
  }
}

const nothing = () => {}
const noBytes = Buffer.alloc(0)

/**
 * The part of a call that follows from its connection. More is assigned to it: a spread would lose its getter. A class,
 * because Node 20 takes microseconds to make a literal with a getter.
 */
class CallOn implements AnyCall {
  readonly headers: AnyCall['headers']
  readonly address: string | undefined
  readonly method: string
  readonly target: string
  readonly task = undefined
  readonly bodyText: string = ''
  readonly bodyBytes: Buffer = noBytes
  readonly files: ReceivedFile[] = []
  readonly keepFiles = nothing
  readonly idempotencyScope = undefined
  readonly note = nothing
  readonly warn: (warning: Warning) => void
  readonly addHeaders: AnyCall['addHeaders']
  readonly onGone: (left: () => void) => void
  readonly isGone: () => boolean
  readonly memory: CallMemory
  readonly onAccessEnd: AnyCall['onAccessEnd']
  readonly #outgoing: Exchange['outgoing']
  readonly stopping: AbortSignal
  #ending: AbortController | undefined
  #gone: AbortController | undefined

  constructor(exchange: Exchange, memory: CallMemory, stopping: AbortSignal) {
    const { incoming, outgoing, method, target } = exchange
    this.headers = incoming.headers
    this.address = incoming.socket.remoteAddress
    this.method = method
    this.target = target
    this.warn = (warning) => void exchange.warnings.push(warning)
    this.addHeaders = (headers) => void Object.assign(exchange.headers, headers)
    this.onGone = (left) => onGone(outgoing, left)
    this.isGone = () => outgoing.destroyed || incoming.socket.destroyed // a socket is destroyed a moment before its answer
    this.memory = memory
    this.onAccessEnd = (ended) => void exchange.onAccessEnd.push(ended)
    this.#outgoing = outgoing
    this.stopping = stopping
  }

  get ending(): AbortSignal {
    if (this.#ending) return this.#ending.signal
    const control = new AbortController()
    this.#ending = control
    const server = this.stopping
    const stop = () => control.abort(server.reason)
    if (server.aborted) stop()
    else if (!this.#outgoing.closed) {
      server.addEventListener('abort', stop, { once: true })
      this.#outgoing.once('close', () => server.removeEventListener('abort', stop))
    }
    this.onAccessEnd((why) => control.abort(why))
    return control.signal
  }

  get signal(): AbortSignal {
    if (this.#gone) return this.#gone.signal
    const control = new AbortController()
    this.#gone = control
    this.onGone(() => control.abort())
    return control.signal
  }
}

/** A file is held as bytes, as text and as its parsed value. */
const copiesOfFile = 3

/** A sink that holds files in memory under invented ids. */
const memorySink = (held: Map<string, Uint8Array>): FileSink => ({
  put: async (stream: Readable) => {
    const bytes = await readWhole(stream)
    const id = `held-${held.size}`
    held.set(id, bytes)
    return { id, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
  },
  remove: async (ids) => {
    for (const id of ids) held.delete(id)
  },
})

/** Reads a form whose one file stays in memory and is stored nowhere. The parser ends files above the limit. */
const readHeldForm = async (
  body: IncomingMessage,
  names: PartNames,
  limits: FormLimits,
  reading: Pick<JsonReading, 'mostValues' | 'owner'>,
  room: Room,
): Promise<ReceivedForm> => {
  const held = new Map<string, Uint8Array>()
  const declared = Number(body.headers['content-length'])
  const bytes = declared >= 0 ? Math.min(declared, limits.maxFileBytes) : limits.maxFileBytes
  await room(copiesOfFile * bytes)
  const form = await readForm(body, body.headers, names, { ...limits, maxFiles: 1 }, memorySink(held), reading, room)
  const files = form.files.map((file) => ({ ...file, bytes: held.get(file.object) ?? new Uint8Array() }))
  return { ...form, files }
}

/** A body as it was read, not checked yet. */
interface ReadBody {
  input: unknown
  text: string
  bytes: Buffer
  files: ReceivedFile[]
  skipped: readonly string[]
}

/** How long a request waits for the records of gateway calls that were answered before it. */
const recordsWaitMs = 5_000

const noBody: ReadBody = { input: undefined, text: '', bytes: noBytes, files: [], skipped: [] }

const asReply = (answer: unknown): Reply =>
  answer instanceof Reply ? answer : new Reply(JSON.stringify(answer) ?? null, jsonHeaders)

interface HandlerDeps {
  options: HttpOptions
  admissions: AdmissionCache
  stopping: AbortSignal
  publicOrigin: string | undefined
  limits: FormLimits
}

const readBody = async (
  { options, limits }: HandlerDeps,
  { endpoint, parts, before }: ServedRoute,
  { incoming }: Exchange,
  owner: string,
  room: Room,
): Promise<ReadBody> => {
  if (!endpoint.body) return noBody
  const { maxBodyBytes, maxBodyValues } = options.settings
  const mostValues = endpoint.isData ? maxBodyValues * dataFactor : maxBodyValues
  const reading = { mostValues, owner }
  if (endpoint.form) {
    const { heldFileBytes } = endpoint
    const form =
      heldFileBytes === undefined
        ? await readForm(incoming, incoming.headers, parts, limits, options.files, reading, room)
        : await readHeldForm(incoming, parts, { ...limits, maxFileBytes: heldFileBytes }, reading, room)
    const { fields, ...rest } = form
    return { input: fields, bytes: noBytes, ...rest }
  }
  const maxBytes = Math.min(maxBodyBytes, before?.maxBytes ?? Number.POSITIVE_INFINITY)
  if (before?.isRaw) {
    const length = Number(incoming.headers['content-length'])
    if (length > maxBytes) throw bodyTooLarge(maxBytes)
    return { ...noBody, bytes: await readBytes(incoming, maxBytes, room, length) }
  }
  const sent = { ...reading, maxBytes, room, read: before?.read }
  const { text, value } = await readJsonBody(incoming, incoming.headers, sent)
  return { ...noBody, input: value, text }
}

/** Calls the handler, with an entry in the audit trail where the endpoint has one. */
const callHandler = (
  { audit, log }: HttpOptions,
  route: ServedRoute,
  call: Call,
  note: AuditNote,
): Promise<unknown> => {
  const work = () => route.handle(call)
  if (!route.endpoint.audited || !audit) return work()
  const { identity, collection } = call
  const lost = (error: unknown) => log.warn({ err: error }, 'how a change ended is not in the audit trail')
  return recorded(audit, { ...entryOf(route, call), collection, identity }, note, work, lost)
}

/** A stream gets so long to say why it ends. */
const lastWordsMs = 300

/** Ends a streamed answer with the key or session of its caller. */
const watchedAnswer = (
  { watchAccess }: HttpOptions,
  reply: Reply,
  { outgoing, onAccessEnd }: Exchange,
  identity: Identity | undefined,
  admittedMs: number,
): Reply => {
  const { body } = reply
  const isStreamed = typeof body === 'function' || body instanceof Readable
  if (!isStreamed || !identity || !watchAccess || outgoing.closed) return reply
  const unwatch = watchAccess(identity, admittedMs, (why) => {
    for (const end of onAccessEnd) end(why)
    const cutting = setTimeout(() => outgoing.destroy(), lastWordsMs)
    outgoing.once('close', () => clearTimeout(cutting))
  })
  outgoing.once('close', unwatch)
  return reply
}

/** Carries out a call whose path names the collection, or that names none. */
const carryOut = async (
  deps: HandlerDeps,
  route: ServedRoute,
  params: Record<string, string>,
  exchange: Exchange,
): Promise<Reply> => {
  const { options, admissions, stopping, publicOrigin } = deps
  const { endpoint, operation } = route
  const { incoming, outgoing } = exchange
  const address = incoming.socket.remoteAddress
  const credentials = credentialsOf(exchange, endpoint, publicOrigin)
  const admittedMs = performance.now()
  const admission = comeOften(endpoint)
    ? await admissions.admitOften({ endpoint, params, credentials, address })
    : await admit(options, endpoint, params, credentials, address)
  const { identity, collection } = admission
  const seen = collection ? [collection.id] : identity && coveredIds(identity)
  const recorded = endpoint.access === 'none' ? undefined : options.recorded?.(seen)
  if (recorded) await inTime(recorded, recordsWaitMs)
  const memory = exchange.memory.of(
    collection ? ownerOf(collection) : memoryOwner(identity, address),
    () => void closed(outgoing).then(exchange.memory.end),
  )
  const call = new CallOn(exchange, memory, stopping)
  const query = route.readQuery(exchange.target, call.warn)
  const key = incoming.headers['idempotency-key']
  const idempotencyKey = endpoint.idempotent ? idempotencyScope(operation, admission, params, key) : undefined
  if (route.before?.admit) await route.before.admit({ params, headers: incoming.headers })
  const owner = String(collection?.id ?? memoryOwner(identity, address))
  const sent = await readBody(deps, route, exchange, owner, memory.take)
  const { files } = sent
  let kept = files.length === 0
  noteWork(operation)
  const note: AuditNote = {}
  try {
    route.checkMembers?.(sent, call.warn)
    const made = Object.assign(call, {
      ...admission,
      params,
      query,
      body: endpoint.body && checkBody(endpoint.body, sent.input),
      bodyText: sent.text,
      bodyBytes: sent.bytes,
      files,
      keepFiles: () => {
        kept = true
      },
      idempotencyScope: idempotencyKey,
      note: (details: AuditNote) => void Object.assign(note, details),
    })
    const answer = await callHandler(options, route, made as unknown as Call, note)
    if (options.checkAnswers) checkAnswer(route, answer)
    return watchedAnswer(options, asReply(answer), exchange, identity, admittedMs)
  } finally {
    if (endpoint.audited) admissions.doubt()
    if (!kept && endpoint.heldFileBytes === undefined)
      await options.files?.remove(files.map((file) => file.object)).catch(() => {})
  }
}

/** Carries out a call whose body names the collection: the body is read before the call is admitted. */
const carryOutScoped = async (
  { options, admissions, stopping, publicOrigin }: HandlerDeps,
  route: ServedRoute,
  readScoped: ReadScopedBody<ScopedBody>,
  params: Record<string, string>,
  exchange: Exchange,
): Promise<Reply> => {
  const { endpoint } = route
  const credentials = credentialsOf(exchange, endpoint, publicOrigin)
  const address = exchange.incoming.socket.remoteAddress
  const memoryOf = (identity: Identity | undefined) => exchange.memory.of(memoryOwner(identity, address))
  const body = await readScopedBody(options, {
    exchange,
    credentials,
    maxBytes: options.settings.maxBodyBytes,
    readBody: readScoped,
    params,
    identityOf: admissions.identityOf,
    roomFor: (identity) => memoryOf(identity).take,
  })
  const admittedMs = performance.now()
  const admission = await admissions.admit({ endpoint, name: body.collection, credentials, address })
  const { identity, collection, databaseAway } = admission
  const call = new CallOn(exchange, memoryOf(identity), stopping)
  const answer = await route.handle(
    Object.assign(call, { body, identity, collection, databaseAway }) as unknown as Call,
  )
  return watchedAnswer(options, asReply(answer), exchange, identity, admittedMs)
}

/** Makes the function that authorises a request, reads its body and calls its handler. Throws the error to answer. */
export const makeRequestHandler = (options: HttpOptions, admissions: AdmissionCache, stopping: AbortSignal) => {
  const { settings } = options
  const limits: FormLimits = {
    maxFileBytes: settings.maxUploadBytes,
    maxFiles: settings.maxFilesPerRun,
    maxFieldBytes: settings.maxInitParamsBytes,
  }
  options.onAccessChange?.(admissions.doubt)
  const deps: HandlerDeps = {
    options,
    admissions,
    stopping,
    limits,
    publicOrigin: originOf(settings.publicUrl),
  }
  return (route: ServedRoute, params: Record<string, string>, exchange: Exchange): Promise<Reply> =>
    route.readBody
      ? carryOutScoped(deps, route, route.readBody, params, exchange)
      : carryOut(deps, route, params, exchange)
}

/** The audit entry of a call as far as it is known before the call executes. */
const entryOf = ({ operation }: Route, call: Call) => ({
  operation,
  target: Object.values(call.params as Record<string, string>).join('/'),
  changes: changesOf(call.body),
})

const checkAnswer = ({ operation, endpoint }: Route, answer: unknown): void => {
  if (!(endpoint.response instanceof z.ZodType)) return
  const value: unknown =
    answer instanceof Reply ? (typeof answer.body === 'string' ? JSON.parse(answer.body) : undefined) : answer
  const checked = endpoint.response.safeParse(value)
  if (Object.values(endpoint.views).some((view) => view.safeParse(value).success)) return
  if (!checked.success) throw new Error(`${operation} answered against its contract: ${checked.error.message}`)
}
