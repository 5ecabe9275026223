import type { IncomingHttpHeaders } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Environment } from '../../engine/environment/environment.ts'
import {
  implementScoped,
  type ReadScopedBody,
  type Route,
  type ScopedBody,
  type ScopedCall,
} from '../../http/implement.ts'
import { Reply } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { doInSlices, type Pieces } from '../../lib/slices.ts'
import { headerText } from '../../lib/text/header-text.ts'
import { authorOf, recordedBy } from '../../model/collections/identity.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import { isName, taskNameSchema } from '../../model/names.ts'
import { getOwnTask, tracesTask } from '../../model/runs/own-tasks.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import { insist } from '../../store/runs/labels.ts'
import { type ObservedSpan, type ObservedTrace, recordTrace } from '../../store/runs/traces.ts'
import type { TaskFields } from '../../store/tasks/tasks.ts'
import { readSpan, taskOf } from '../../traces/conventions.ts'
import { exportAnswer, type OtlpFormat, readExport, type Span } from '../../traces/otlp.ts'
import { tracesContract } from './contract.ts'

interface TracesDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  environmentOf(id: number | null, lent: readonly string[]): Environment | Promise<Environment>
  settings: { maxLabelsPerRun: number; maxBodyBytes: number; maxBodyValues: number }
}

interface ExportBody extends ScopedBody {
  /** As they came: they are unpacked and read once the call is admitted. */
  bytes: Buffer
}

const unzip = promisify(gunzip)

/** An export is data: it may have so many times the values of another body. */
const dataFactor = 10
/** An export is held as bytes, as values, and as the texts that are recorded. */
const copiesOfExport = 4

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

/** Reads the spans of a trace as steps, one by one, without secrets; and for whom and in which conversation they were made. */
function* stepsOf(
  spans: readonly Span[],
  scrub: Environment['scrub'],
): Pieces<Pick<ObservedTrace, 'spans' | 'labels'>> {
  const clean = (value: unknown): string => scrub.jsonText(JSON.stringify(value))
  const labels = new Map<string, string>()
  const steps: ObservedSpan[] = []
  for (const span of spans) {
    const { kind, inputs, outputs, tokens, costUsd, user, session } = readSpan(span)
    for (const [key, value] of Object.entries({ user, session })) {
      if (value && !labels.has(key)) labels.set(key, storable(scrub.text(value), 1000))
    }
    const failed = { code: 'span_failed', message: span.error, retryable: false, hint: null, cause: null }
    const isCounted = tokens !== undefined || costUsd !== undefined
    steps.push({
      spanId: span.spanId,
      parentId: span.parentId,
      name: storable(scrub.text(span.name), 200) || 'span',
      kind,
      scope: scrub.text(span.scope),
      startMs: span.startMs,
      endMs: span.endMs,
      error: span.error === null ? null : clean(failed),
      inputs: clean(inputs),
      outputs: clean(outputs),
      usage: isCounted ? addCallUsage(undefined, tokens, costUsd ?? null) : undefined,
      attributes: clean({ attributes: span.attributes, resource: span.resource, events: span.events }),
    })
    yield
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

export const tracesRoutes = ({ database, quota, environmentOf, settings }: TracesDeps): Route[] => {
  const record = async (call: ScopedCall<ExportBody>): Promise<Reply> => {
    const { body, collection, identity, headers, memory } = call
    await quota.require(collection.id)
    const format = formatOf(headers)
    const bytes = await unpacked(body.bytes, headers['content-encoding'], settings.maxBodyBytes)
    await memory.take(copiesOfExport * bytes.length)
    const received = await doInSlices(readExport(bytes, format, dataFactor * settings.maxBodyValues), collection.name)
    const { scrub } = await environmentOf(collection.environment_id, [])
    let runs = 0
    for (const [traceId, spans] of groupByTrace(received.spans)) {
      const [first] = spans
      if (!first) continue
      const trace: ObservedTrace = {
        traceId,
        collection: { id: collection.id, name: collection.name },
        stub: stubOf(taskName(spans.map(taskOf).find((name) => name !== undefined))),
        author: authorOf(identity),
        recordedBy: recordedBy(identity),
        params: scrub.jsonText(JSON.stringify({ source: 'otlp', service: first.resource['service.name'] ?? null })),
        ...(await doInSlices(stepsOf(spans, scrub), collection.name)),
        mostLabels: settings.maxLabelsPerRun,
      }
      if ((await insist(database, (queries) => recordTrace(queries, trace))) === 'new') runs++
    }
    quota.add(collection.id, { runs, databaseBytes: bytes.length })
    const type = format === 'json' ? 'application/json' : 'application/x-protobuf'
    return new Reply(exportAnswer(received, format), { 'content-type': type })
  }
  return [implementScoped('exportTraces', tracesContract.exportTraces, readBody, record)]
}
