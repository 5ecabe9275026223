import protobuf from 'protobufjs/minimal.js'
import { isObject, type JsonObject } from '../lib/json/json-object.ts'
import { doAtOnce, type Pieces } from '../lib/slices.ts'

/** A span as OTLP says it, with plain values. */
export interface Span {
  /** 32 hexadecimal digits. */
  traceId: string
  /** 16 hexadecimal digits. */
  spanId: string
  /** Null for the root of a trace. */
  parentId: string | null
  name: string
  /** Milliseconds since 1970, with fractions. */
  startMs: number
  endMs: number
  /** Its message if it ended with an error; null otherwise. */
  error: string | null
  attributes: JsonObject
  events: { name: string; at_ms: number; attributes: JsonObject }[]
  /** Name of the library that made it; empty if it does not say. */
  scope: string
  /** Attributes of the program that sent it. */
  resource: JsonObject
}

/** What an export contains: its spans, and why others of it were left out. */
export interface ReceivedSpans {
  spans: Span[]
  rejected: number
  reason: string | null
}

export type OtlpFormat = 'json' | 'protobuf'

/** A type of protobuf: its wire type, and how the value that it has in JSON is read and written. */
interface Scalar {
  wire: number
  read(reader: protobuf.Reader): unknown
  write(writer: protobuf.Writer, value: unknown): void
}

const scalars: Readonly<Record<string, Scalar>> = {
  string: { wire: 2, read: (reader) => reader.string(), write: (writer, value) => void writer.string(String(value)) },
  id: {
    wire: 2,
    read: (reader) => Buffer.from(reader.bytes()).toString('hex'),
    write: (writer, value) => void writer.bytes(Buffer.from(String(value), 'hex')),
  },
  bytes: {
    wire: 2,
    read: (reader) => Buffer.from(reader.bytes()).toString('base64'),
    write: (writer, value) => void writer.bytes(Buffer.from(String(value), 'base64')),
  },
  bool: { wire: 0, read: (reader) => reader.bool(), write: (writer, value) => void writer.bool(value === true) },
  int32: { wire: 0, read: (reader) => reader.int32(), write: (writer, value) => void writer.int32(Number(value)) },
  int64: {
    wire: 0,
    read: (reader) => reader.int64().toString(),
    write: (writer, value) => void writer.int64(Number(value)), // ours are safe integers
  },
  fixed64: {
    wire: 1,
    read: (reader) => reader.fixed64().toString(),
    write(writer, value) {
      const whole = BigInt(String(value))
      writer.fixed32(Number(whole & 0xffffffffn)).fixed32(Number(whole >> 32n))
    },
  },
  double: { wire: 1, read: (reader) => reader.double(), write: (writer, value) => void writer.double(Number(value)) },
}

interface Field {
  name: string
  /** One of `scalars`, or a message. */
  of: string
  isList?: true
  /** Numbers of a list that stand behind one another, as proto3 writes them. */
  isPacked?: true
}

const keyValues = (name: string): Field => ({ name, of: 'KeyValue', isList: true })

/** The messages of OTLP that hold spans and metrics: their fields by number, as opentelemetry-proto 1.9 has them. */
const fieldNumbers: Readonly<Record<string, Readonly<Record<number, Field>>>> = {
  Export: { 1: { name: 'resourceSpans', of: 'ResourceSpans', isList: true } },
  ResourceSpans: { 1: { name: 'resource', of: 'Resource' }, 2: { name: 'scopeSpans', of: 'ScopeSpans', isList: true } },
  Resource: { 1: keyValues('attributes') },
  ScopeSpans: { 1: { name: 'scope', of: 'Scope' }, 2: { name: 'spans', of: 'Span', isList: true } },
  Scope: { 1: { name: 'name', of: 'string' }, 2: { name: 'version', of: 'string' } },
  Span: {
    1: { name: 'traceId', of: 'id' },
    2: { name: 'spanId', of: 'id' },
    3: { name: 'traceState', of: 'string' },
    4: { name: 'parentSpanId', of: 'id' },
    5: { name: 'name', of: 'string' },
    6: { name: 'kind', of: 'int32' },
    7: { name: 'startTimeUnixNano', of: 'fixed64' },
    8: { name: 'endTimeUnixNano', of: 'fixed64' },
    9: keyValues('attributes'),
    11: { name: 'events', of: 'Event', isList: true },
    15: { name: 'status', of: 'Status' },
  },
  Event: {
    1: { name: 'timeUnixNano', of: 'fixed64' },
    2: { name: 'name', of: 'string' },
    3: keyValues('attributes'),
  },
  Status: { 2: { name: 'message', of: 'string' }, 3: { name: 'code', of: 'int32' } },
  KeyValue: { 1: { name: 'key', of: 'string' }, 2: { name: 'value', of: 'AnyValue' } },
  AnyValue: {
    1: { name: 'stringValue', of: 'string' },
    2: { name: 'boolValue', of: 'bool' },
    3: { name: 'intValue', of: 'int64' },
    4: { name: 'doubleValue', of: 'double' },
    5: { name: 'arrayValue', of: 'ArrayValue' },
    6: { name: 'kvlistValue', of: 'KeyValueList' },
    7: { name: 'bytesValue', of: 'bytes' },
  },
  ArrayValue: { 1: { name: 'values', of: 'AnyValue', isList: true } },
  KeyValueList: { 1: keyValues('values') },
  MetricsExport: { 1: { name: 'resourceMetrics', of: 'ResourceMetrics', isList: true } },
  ResourceMetrics: {
    1: { name: 'resource', of: 'Resource' },
    2: { name: 'scopeMetrics', of: 'ScopeMetrics', isList: true },
  },
  ScopeMetrics: { 1: { name: 'scope', of: 'Scope' }, 2: { name: 'metrics', of: 'Metric', isList: true } },
  Metric: {
    1: { name: 'name', of: 'string' },
    2: { name: 'description', of: 'string' },
    5: { name: 'gauge', of: 'NumberData' },
    7: { name: 'sum', of: 'NumberData' },
    9: { name: 'histogram', of: 'HistogramData' },
  },
  NumberData: {
    1: { name: 'dataPoints', of: 'NumberPoint', isList: true },
    2: { name: 'aggregationTemporality', of: 'int32' },
    3: { name: 'isMonotonic', of: 'bool' },
  },
  HistogramData: {
    1: { name: 'dataPoints', of: 'HistogramPoint', isList: true },
    2: { name: 'aggregationTemporality', of: 'int32' },
  },
  NumberPoint: {
    2: { name: 'startTimeUnixNano', of: 'fixed64' },
    3: { name: 'timeUnixNano', of: 'fixed64' },
    4: { name: 'asDouble', of: 'double' },
    7: keyValues('attributes'),
  },
  HistogramPoint: {
    2: { name: 'startTimeUnixNano', of: 'fixed64' },
    3: { name: 'timeUnixNano', of: 'fixed64' },
    4: { name: 'count', of: 'fixed64' },
    5: { name: 'sum', of: 'double' },
    6: { name: 'bucketCounts', of: 'fixed64', isList: true, isPacked: true },
    7: { name: 'explicitBounds', of: 'double', isList: true, isPacked: true },
    9: keyValues('attributes'),
  },
  ExportAnswer: { 1: { name: 'partialSuccess', of: 'PartialSuccess' } },
  PartialSuccess: { 1: { name: 'rejectedSpans', of: 'int64' }, 2: { name: 'errorMessage', of: 'string' } },
}

const mostDepth = 64

/** A message inside of the bytes of an export. */
interface Part {
  of: string
  /** Where it ends. */
  end: number
  depth: number
}

/**
 * Decodes a message piece by piece into the object that JSON would have, and counts its values. Unknown fields are left out.
 * With `keep` false it only counts.
 */
function* decode(
  reader: protobuf.Reader,
  { of, end, depth }: Part,
  counted: { values: number },
  keep: boolean,
): Pieces<JsonObject> {
  if (depth > mostDepth) throw new RangeError('nested too deeply')
  const fields = fieldNumbers[of] ?? {}
  const message: JsonObject = {}
  while (reader.pos < end) {
    if (++counted.values % 500 === 0) yield
    const tag = reader.uint32()
    const field = fields[tag >>> 3]
    const scalar = field && scalars[field.of]
    if (!field || (tag & 7) !== (scalar?.wire ?? 2) || (scalar && !keep)) {
      reader.skipType(tag & 7)
      continue
    }
    let value: unknown
    if (scalar) value = scalar.read(reader)
    else {
      const length = reader.uint32()
      if (reader.pos + length > end) throw new RangeError('ends in the middle')
      value = yield* decode(reader, { of: field.of, end: reader.pos + length, depth: depth + 1 }, counted, keep)
    }
    if (!keep) continue
    if (!field.isList) message[field.name] = value
    else if (Array.isArray(message[field.name])) (message[field.name] as unknown[]).push(value)
    else message[field.name] = [value]
  }
  if (reader.pos > end) throw new RangeError('ends in the middle')
  return message
}

const whole = (bytes: Buffer, of: string): [protobuf.Reader, Part] => [
  protobuf.Reader.create(bytes),
  { of, end: bytes.length, depth: 0 },
]

const write = (writer: protobuf.Writer, of: string, message: JsonObject): void => {
  for (const [number, field] of Object.entries(fieldNumbers[of] ?? {})) {
    const value = message[field.name]
    if (value === undefined) continue
    const scalar = scalars[field.of]
    const values = Array.isArray(value) ? value : [value]
    if (scalar && field.isPacked) {
      writer.uint32((Number(number) << 3) | 2).fork()
      for (const one of values) scalar.write(writer, one)
      writer.ldelim()
      continue
    }
    for (const one of values) {
      writer.uint32((Number(number) << 3) | (scalar?.wire ?? 2))
      if (scalar) scalar.write(writer, one)
      else {
        writer.fork()
        write(writer, field.of, isObject(one) ? one : {})
        writer.ldelim()
      }
    }
  }
}

/** Encodes a message that is an object as JSON has it. */
const encode = (of: string, message: JsonObject): Buffer => {
  const writer = protobuf.Writer.create()
  write(writer, of, message)
  return Buffer.from(writer.finish())
}

/** Encodes an export of traces or of metrics. */
export const encodeExport = (of: 'Export' | 'MetricsExport', exported: JsonObject, format: OtlpFormat): Buffer =>
  format === 'json' ? Buffer.from(JSON.stringify(exported)) : encode(of, exported)

/** Counts the values of an export in protobuf, piece by piece and without keeping them. Throws a RangeError for none. */
export function* countValues(bytes: Buffer): Pieces<number> {
  const counted = { values: 0 }
  yield* decode(...whole(bytes, 'Export'), counted, false)
  return counted.values
}

/** Decodes an export in protobuf, piece by piece, into the object that it is in JSON. Throws a RangeError for none. */
export const decodeExport = (bytes: Buffer): Pieces<JsonObject> =>
  decode(...whole(bytes, 'Export'), { values: 0 }, true)

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** A 64-bit integer comes as text, where a number would lose digits. */
const integer = (value: unknown): number | string => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/** Values that one span may have: more keep the thread for too long at once. */
const mostOfSpan = 20_000

/** What is left of them. */
interface Room {
  left: number
}

const anyValue = (value: unknown, room: Room): unknown => {
  if (room.left-- <= 0 || !isObject(value)) return null
  if (value.stringValue !== undefined) return value.stringValue
  if (value.boolValue !== undefined) return value.boolValue
  if (value.intValue !== undefined) return integer(value.intValue)
  if (value.doubleValue !== undefined) return value.doubleValue
  if (isObject(value.kvlistValue)) return attributesOf(value.kvlistValue.values, room)
  if (!isObject(value.arrayValue)) return value.bytesValue ?? null
  const list: unknown[] = []
  for (const one of listOf(value.arrayValue.values)) {
    if (room.left <= 0) break
    list.push(anyValue(one, room))
  }
  return list
}

const attributesOf = (given: unknown, room: Room): JsonObject => {
  const attributes: JsonObject = {}
  for (const one of listOf(given)) {
    if (room.left <= 0) break
    const value = isObject(one) ? anyValue(one.value, room) : undefined
    if (isObject(one) && typeof one.key === 'string' && one.key !== '') {
      Object.defineProperty(attributes, one.key, { value, enumerable: true, configurable: true, writable: true })
    }
  }
  return attributes
}

/** An id as lower-case hexadecimal digits; undefined where it is empty, all zeros, or of another length. */
const hexId = (value: unknown, bytes: number): string | undefined => {
  const text = typeof value === 'string' ? value.toLowerCase() : ''
  return text.length === 2 * bytes && /^[0-9a-f]+$/.test(text) && !/^0+$/.test(text) ? text : undefined
}

const millis = (nanos: unknown): number => {
  const text = String(nanos ?? '')
  return /^\d{1,20}$/.test(text) ? Number(BigInt(text) / 1000n) / 1000 : Number.NaN
}

/** Times that Postgres stores: from 1970 to 9999. */
const isTime = (ms: number): boolean => ms > 0 && ms < 253_402_300_800_000

const errorCode = 2

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

type Origin = Pick<Span, 'scope' | 'resource'>

/** Reads one span; a text says why it is none. */
const spanOf = (given: JsonObject, origin: Origin): Span | string => {
  const traceId = hexId(given.traceId, 16)
  const spanId = hexId(given.spanId, 8)
  if (!traceId || !spanId) return 'a span has a trace id of 16 bytes and a span id of 8, not all zeros'
  const startMs = millis(given.startTimeUnixNano)
  const ended = millis(given.endTimeUnixNano)
  if (!isTime(startMs)) return 'a span has startTimeUnixNano, in nanoseconds since 1970'
  const status = isObject(given.status) ? given.status : {}
  const room = { left: mostOfSpan }
  const attributes = attributesOf(given.attributes, room)
  const events = listOf(given.events)
    .slice(0, mostOfSpan)
    .flatMap((event) => {
      if (!isObject(event) || room.left-- <= 0) return []
      const at_ms = millis(event.timeUnixNano)
      return {
        name: textOf(event.name),
        at_ms: isTime(at_ms) ? at_ms : startMs,
        attributes: attributesOf(event.attributes, room),
      }
    })
  if (room.left <= 0) return `a span has at most ${mostOfSpan} values`
  return {
    traceId,
    spanId,
    parentId: hexId(given.parentSpanId, 8) ?? null,
    name: textOf(given.name) || 'span',
    startMs,
    endMs: isTime(ended) ? Math.max(startMs, ended) : startMs,
    error: Number(status.code) === errorCode ? textOf(status.message) || 'The span ended with an error' : null,
    attributes,
    events,
    ...origin,
  }
}

const objectsIn = (list: unknown): JsonObject[] => listOf(list).filter(isObject)

/** Reads the spans of an export, one by one. */
export function* readSpans(exported: JsonObject): Pieces<ReceivedSpans> {
  const received: ReceivedSpans = { spans: [], rejected: 0, reason: null }
  for (const { resource: sender, scopeSpans } of objectsIn(exported.resourceSpans)) {
    const resource = isObject(sender) ? attributesOf(sender.attributes, { left: mostOfSpan }) : {}
    for (const { scope, spans } of objectsIn(scopeSpans)) {
      const origin = { scope: isObject(scope) ? textOf(scope.name) : '', resource }
      for (const given of objectsIn(spans)) {
        yield
        const span = spanOf(given, origin)
        if (typeof span !== 'string') received.spans.push(span)
        else {
          received.rejected++
          received.reason = span
        }
      }
      yield
    }
    yield
  }
  return received
}

/** Writes the answer to an export: what of it was not taken, and why. */
export const exportAnswer = ({ rejected, reason }: Omit<ReceivedSpans, 'spans'>, format: OtlpFormat): Buffer => {
  const answer = rejected > 0 ? { partialSuccess: { rejectedSpans: rejected, errorMessage: reason ?? '' } } : {}
  return format === 'json' ? Buffer.from(JSON.stringify(answer)) : encode('ExportAnswer', answer)
}

/** Reads the answer of a collector. What is no answer of OTLP rejects nothing: the status has said that it was taken. */
export const readExportAnswer = (bytes: Buffer, format: OtlpFormat): Omit<ReceivedSpans, 'spans'> => {
  const none = { rejected: 0, reason: null }
  try {
    const answer =
      format === 'json'
        ? (JSON.parse(bytes.toString() || '{}') as unknown)
        : doAtOnce(decode(...whole(bytes, 'ExportAnswer'), { values: 0 }, true))
    const partial = isObject(answer) && isObject(answer.partialSuccess) ? answer.partialSuccess : {}
    const rejected = Number(partial.rejectedSpans ?? partial.rejectedDataPoints ?? 0)
    return Number.isSafeInteger(rejected) && rejected >= 0 ? { rejected, reason: textOf(partial.errorMessage) } : none
  } catch {
    return none
  }
}
