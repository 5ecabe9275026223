import type { IncomingHttpHeaders } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Engine } from '../../engine/engine.ts'
import type { Environment } from '../../engine/environment/environment.ts'
import {
  implementScoped,
  type ReadScopedBody,
  type Route,
  type ScopedBody,
  type ScopedCall,
} from '../../http/implement.ts'
import { dataFactor, decodeText, type JsonReading, parseJson, tooManyValues } from '../../http/input/body.ts'
import type { Room } from '../../http/input/memory.ts'
import { Reply } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { inTime } from '../../lib/in-time.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { writePieces } from '../../lib/json/large-json.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { doInSlices, type Pieces } from '../../lib/slices.ts'
import { headerText } from '../../lib/text/header-text.ts'
import { authorOf, recordedBy } from '../../model/collections/identity.ts'
import { isName, taskNameSchema } from '../../model/names.ts'
import { getOwnTask, tracesTask } from '../../model/runs/own-tasks.ts'
import type { Models } from '../../providers/provider.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import { insist } from '../../store/runs/labels.ts'
import { type ObservedSpan, type ObservedTrace, recordTraces } from '../../store/runs/traces.ts'
import type { TaskFields } from '../../store/tasks/tasks.ts'
import { inheritedOf, serviceOf, taskOf } from '../../traces/conventions.ts'
import {
  countValues,
  decodeExport,
  exportAnswer,
  type OtlpFormat,
  type ReceivedSpans,
  readSpans,
  type Span,
} from '../../traces/otlp.ts'
import { tracesContract } from './contract.ts'
import { type Reader, readStep } from './read-step.ts'
import { remapRoutes } from './remap.ts'
import { scoresRoutes } from './scores.ts'

interface TracesDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  models: Pick<Models, 'prices'>
  engine: Pick<Engine, 'recorded'>
  settings: { maxLabelsPerRun: number; maxBodyBytes: number; maxBodyValues: number }
}

interface ExportBody extends ScopedBody {
  /** As they came: they are unpacked and read once the call is admitted. */
  bytes: Buffer
}

const unzip = promisify(gunzip)

/** A span is held as values and as the texts that are recorded of it. */
const textsOfExport = 3

/** What a value of protobuf takes in memory once it is decoded. */
const bytesPerValue = 100

const unpacked = async (bytes: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> => {
  const name = encoding?.trim().toLowerCase() ?? 'identity'
  if (name === 'identity') return bytes
  if (name !== 'gzip') {
    throw new AppError('unsupported_encoding', `Content-Encoding: ${headerText(name, 100)} is not accepted`, {
      hint: 'Send the export as gzip, or uncompressed.',
    })
  }
  try {
    return await unzip(bytes, { maxOutputLength: maxBytes })
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new AppError('bad_request', 'The body is no gzip', {
        hint: 'Omit Content-Encoding, or compress it.',
        cause,
      })
    }
    throw new AppError('too_large', `The export is larger than ${byteSize(maxBytes)} when unpacked`, {
      hint: 'Send smaller batches: OTEL_BSP_MAX_EXPORT_BATCH_SIZE of an SDK, send_batch_max_size of a collector.',
    })
  }
}

const formatOf = ({ 'content-type': type = '' }: IncomingHttpHeaders): OtlpFormat =>
  /^\s*application\/json\b/i.test(type) ? 'json' : 'protobuf'

const notOtlp = (format: OtlpFormat, cause: unknown): AppError =>
  new AppError('bad_request', `The body is no OTLP export of traces in ${format === 'json' ? 'JSON' : 'protobuf'}`, {
    hint: 'Send an ExportTraceServiceRequest as application/x-protobuf or application/json, uncompressed or as gzip.',
    cause,
  })

type Reading = Pick<JsonReading, 'mostValues' | 'owner'> & { room: Room }

const valuesOf = async (bytes: Buffer, format: OtlpFormat, reading: Reading): Promise<unknown> => {
  if (format === 'json') return parseJson(decodeText(bytes), { contentType: 'application/json', ...reading })
  const { mostValues, owner, room } = reading
  const values = await doInSlices(countValues(bytes), owner)
  if (values > mostValues) throw tooManyValues(mostValues)
  await room(bytesPerValue * values + bytes.length)
  return doInSlices(decodeExport(bytes), owner)
}

/** Reads an export. OTLP wants 400 for a body that is none, and retries no other refusal of it. */
const readExport = async (bytes: Buffer, format: OtlpFormat, reading: Reading): Promise<ReceivedSpans> => {
  const exported = await valuesOf(bytes, format, reading).catch((cause: unknown) => {
    if (cause instanceof RangeError || (cause instanceof AppError && cause.code === 'invalid')) {
      throw notOtlp(format, cause)
    }
    throw cause
  })
  if (!isObject(exported)) throw notOtlp(format, undefined)
  return doInSlices(readSpans(exported), reading.owner)
}

const readBody: ReadScopedBody<ExportBody> = async (bytes, headers) => ({
  bytes,
  collection: headers['x-jetty-collection']?.toString() || undefined,
})

/** A name that a task may have, from what a program calls itself. */
const taskName = (given: unknown): string => {
  const name = String(given ?? '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 128)
  return isName(name) && taskNameSchema.safeParse(name).success ? name : tracesTask
}

const stubOf = (name: string): TaskFields => ({
  name,
  ...getOwnTask(tracesTask),
  version: null,
  has_file_uploads: false,
  is_private: true,
  is_chat_flow: false,
  croissant_metadata: null,
})

/** A text that PostgreSQL stores. */
const storable = (text: string, most: number): string => text.replaceAll('\0', '').slice(0, most)

/** JSON text of the error of a span. */
const failed = (message: string): string =>
  JSON.stringify({ code: 'span_failed', message, retryable: false, hint: null, cause: null })

/** Reads the spans of a trace as steps, one by one, without secrets; and for whom and in which conversation they were made. */
function* stepsOf(spans: readonly Span[], reader: Reader): Pieces<Pick<ObservedTrace, 'spans' | 'labels'>> {
  const { scrub } = reader
  const labels = new Map<string, string>()
  const steps: ObservedSpan[] = []
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  for (const span of spans) {
    const inherited = inheritedOf(span, (id) => byId.get(id))
    const { labels: given, ...step } = yield* readStep({ attributes: { ...span.attributes, ...inherited } }, reader)
    for (const [key, value] of Object.entries(given)) {
      if (value && !labels.has(key)) labels.set(key, storable(scrub.text(value), 1000))
    }
    const { attributes, resource, events } = span
    const attributesText = scrub.jsonText(yield* writePieces({ attributes, resource, events, inherited }))
    yield
    steps.push({
      ...step,
      spanId: span.spanId,
      parentId: span.parentId,
      name: storable(scrub.text(span.name), 200) || 'span',
      scope: scrub.text(span.scope),
      startMs: span.startMs,
      endMs: span.endMs,
      error: span.error === null ? null : failed(storable(scrub.text(span.error), 10_000)),
      attributes: attributesText,
    })
  }
  return { spans: steps, labels: [...labels].map(([key, value]) => ({ key, value })) }
}

const groupByTrace = (spans: readonly Span[]): Map<string, Span[]> => {
  const traces = new Map<string, Span[]>()
  for (const span of spans) {
    const trace = traces.get(span.traceId)
    if (trace) trace.push(span)
    else traces.set(span.traceId, [span])
  }
  return traces
}

/** Traces and spans that are written in one transaction. */
const tracesTogether = 100
const spansTogether = 1000

const spansIn = (traces: readonly ObservedTrace[]): number => traces.reduce((sum, { spans }) => sum + spans.length, 0)

export const tracesRoutes = ({ database, quota, environmentOf, models, engine, settings }: TracesDeps): Route[] => {
  const record = async (call: ScopedCall<ExportBody>): Promise<Reply> => {
    const { body, collection, identity, headers, memory } = call
    await quota.require(collection.id)
    const format = formatOf(headers)
    const owner = collection.name
    const bytes = await unpacked(body.bytes, headers['content-encoding'], settings.maxBodyBytes)
    const mostValues = dataFactor * settings.maxBodyValues
    const received = await readExport(bytes, format, { mostValues, owner, room: memory.take })
    const { scrub } = await environmentOf(collection.environment_id, [])
    const prices = await models.prices()
    // The gateway's records of the same calls: a program may export a span as soon as it has its answer.
    const recorded = engine.recorded([collection.id])
    if (recorded) await inTime(recorded)
    // The texts of all traces together; each is written and forgotten by itself.
    await memory.take(textsOfExport * bytes.length)
    const recording = {
      collection: { id: collection.id, name: collection.name },
      author: authorOf(identity),
      recordedBy: recordedBy(identity),
      countedKeys: ['user', 'session', ...(collection.settings?.label_totals ?? [])],
      mostLabels: settings.maxLabelsPerRun,
    }
    const keep = async (traces: readonly ObservedTrace[]): Promise<void> => {
      const recorded = await insist(database, (queries) => recordTraces(queries, recording, traces))
      quota.add(collection.id, { runs: recorded.runs, databaseBytes: recorded.bytes })
      for (const { traceId, spans } of recorded.refused) {
        received.rejected += spans.length
        received.reason = `trace ${traceId} is the id of a run that is no trace`
      }
    }
    let waiting: ObservedTrace[] = []
    for (const [traceId, spans] of groupByTrace(received.spans)) {
      const service = spans.map(serviceOf).find((name) => name !== undefined) ?? null
      waiting.push({
        traceId,
        stub: stubOf(taskName(spans.map(taskOf).find((name) => name !== undefined))),
        params: scrub.jsonText(JSON.stringify({ source: 'otlp', service })),
        ...(await doInSlices(stepsOf(spans, { scrub, prices }), owner)),
      })
      if (waiting.length < tracesTogether && spansIn(waiting) < spansTogether) continue
      await keep(waiting)
      waiting = []
    }
    if (waiting.length > 0) await keep(waiting)
    const type = format === 'json' ? 'application/json' : 'application/x-protobuf'
    return new Reply(exportAnswer(received, format), { 'content-type': type })
  }
  return [
    implementScoped('exportTraces', tracesContract.exportTraces, readBody, record),
    ...scoresRoutes({ database, settings }),
    ...remapRoutes({ database, models }),
  ]
}
