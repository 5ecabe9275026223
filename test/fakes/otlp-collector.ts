import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import protobuf from 'protobufjs'
import { wholeBody } from '../whole-body.ts'

/** The messages of opentelemetry-proto 1.9 that exporters send, as its files declare them. */
const proto = `
  syntax = "proto3";
  message AnyValue {
    oneof value {
      string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
      ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
    }
  }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValueList { repeated KeyValue values = 1; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message Status { string message = 2; int32 code = 3; }
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; fixed32 flags = 16;
    string name = 5; int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; repeated Event events = 11; Status status = 15;
  }
  message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
  message NumberDataPoint {
    repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
    oneof value { double as_double = 4; sfixed64 as_int = 6; }
    uint32 flags = 8;
  }
  message HistogramDataPoint {
    repeated KeyValue attributes = 9; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; fixed64 count = 4;
    optional double sum = 5; repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7; uint32 flags = 10;
    optional double min = 11; optional double max = 12;
  }
  enum AggregationTemporality {
    AGGREGATION_TEMPORALITY_UNSPECIFIED = 0; AGGREGATION_TEMPORALITY_DELTA = 1; AGGREGATION_TEMPORALITY_CUMULATIVE = 2;
  }
  message Gauge { repeated NumberDataPoint data_points = 1; }
  message Sum {
    repeated NumberDataPoint data_points = 1; AggregationTemporality aggregation_temporality = 2; bool is_monotonic = 3;
  }
  message Histogram {
    repeated HistogramDataPoint data_points = 1; AggregationTemporality aggregation_temporality = 2;
  }
  message Metric {
    string name = 1; string description = 2; string unit = 3;
    oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; }
  }
  message ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; string schema_url = 3; }
  message ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
  message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
`
const types = protobuf.parse(proto).root

type Attributes = Record<string, unknown>

/** A span as the collector has read it. */
export interface CollectedSpan {
  traceId: string
  spanId: string
  parentId: string | undefined
  traceState: string
  name: string
  kind: number
  startMs: number
  endMs: number
  attributes: Attributes
  status: { code: number; message: string }
  resource: Attributes
}

// biome-ignore lint/suspicious/noExplicitAny: what a decoder of any message returns
type Decoded = any

const decodeAs = (type: string, bytes: Uint8Array): Decoded => {
  const message = types.lookupType(type)
  return message.toObject(message.decode(bytes), { longs: String, bytes: String, arrays: true })
}

const plainValue = (value: Decoded): unknown => {
  if (value?.arrayValue) return (value.arrayValue.values ?? []).map(plainValue)
  if (value?.kvlistValue) return attributesOf(value.kvlistValue.values)
  if (value?.intValue !== undefined) return Number(value.intValue)
  return value?.stringValue ?? value?.boolValue ?? value?.doubleValue
}

const attributesOf = (list: Decoded = []): Attributes =>
  Object.fromEntries(list.map(({ key, value }: Decoded) => [key, plainValue(value)]))

const millis = (nanos: unknown): number => Number(BigInt(String(nanos)) / 1_000_000n)

/** Ids are base64 after protobuf, and hexadecimal in OTLP's JSON. */
const idOf = (isJson: boolean, id: string | undefined): string =>
  isJson ? (id ?? '') : Buffer.from(id ?? '', 'base64').toString('hex')

const spansIn = (request: Decoded, isJson: boolean): CollectedSpan[] =>
  (request.resourceSpans ?? []).flatMap(({ resource, scopeSpans }: Decoded) =>
    scopeSpans.flatMap(({ spans }: Decoded) =>
      spans.map(
        (span: Decoded): CollectedSpan => ({
          traceId: idOf(isJson, span.traceId),
          spanId: idOf(isJson, span.spanId),
          parentId: idOf(isJson, span.parentSpanId) || undefined,
          traceState: span.traceState ?? '',
          name: span.name,
          kind: span.kind,
          startMs: millis(span.startTimeUnixNano),
          endMs: millis(span.endTimeUnixNano),
          attributes: attributesOf(span.attributes),
          status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
          resource: attributesOf(resource?.attributes),
        }),
      ),
    ),
  )

/** A value of a metric: a number, or what a histogram has counted between its bounds. */
export interface CollectedPoint {
  labels: Attributes
  startMs: number
  atMs: number
  value: number
  /** Of a histogram, whose sum is `value`. */
  buckets?: { bounds: number[]; counts: number[]; count: number }
}

/** A metric as the collector has read it. */
export interface CollectedMetric {
  name: string
  help: string
  kind: 'gauge' | 'sum' | 'histogram'
  isMonotonic: boolean
  temporality: number
  points: CollectedPoint[]
}

/** One export of metrics. */
export interface CollectedMetrics {
  headers: IncomingHttpHeaders
  resource: Attributes
  scope: { name: string; version: string }
  metrics: CollectedMetric[]
}

const pointOf = (point: Decoded): CollectedPoint => ({
  labels: attributesOf(point.attributes),
  startMs: millis(point.startTimeUnixNano),
  atMs: millis(point.timeUnixNano),
  value: point.asDouble ?? point.sum,
  ...(point.bucketCounts && {
    buckets: {
      bounds: point.explicitBounds,
      counts: point.bucketCounts.map(Number),
      count: Number(point.count),
    },
  }),
})

const metricOf = ({ name, description, gauge, sum, histogram }: Decoded): CollectedMetric => {
  const data = gauge ?? sum ?? histogram
  return {
    name,
    help: description,
    kind: gauge ? 'gauge' : sum ? 'sum' : 'histogram',
    isMonotonic: sum?.isMonotonic ?? false,
    temporality: data.aggregationTemporality ?? 0,
    points: data.dataPoints.map(pointOf),
  }
}

const metricsIn = (request: Decoded, headers: IncomingHttpHeaders): CollectedMetrics[] =>
  request.resourceMetrics.flatMap(({ resource, scopeMetrics }: Decoded) =>
    scopeMetrics.map(({ scope, metrics }: Decoded) => ({
      headers,
      resource: attributesOf(resource?.attributes),
      scope,
      metrics: metrics.map(metricOf),
    })),
  )

/** A request as it came. */
export interface CollectorRequest {
  path: string
  headers: IncomingHttpHeaders
  spans: CollectedSpan[]
}

/** How a collector answers; by default it takes everything. Spans of an answer that takes none are not kept. */
export type CollectorAnswer = (request: CollectorRequest) => {
  status?: number
  headers?: Record<string, string>
  rejected?: number
  body?: string
}

export interface OtlpCollector {
  url: string
  /** Everything that it took, in the order in which it came. */
  spans: CollectedSpan[]
  requests: CollectorRequest[]
  /** Every export of metrics that it took. */
  metrics: CollectedMetrics[]
  /** Status with which it answers exports of metrics. */
  metricsStatus: number
  /** Replaces how it answers from now on. */
  answer(how: CollectorAnswer): void
  close(): void
}

const reply = (
  response: ServerResponse,
  isJson: boolean,
  { status = 200, headers, rejected, body }: ReturnType<CollectorAnswer>,
) => {
  const type = types.lookupType('ExportTraceServiceResponse')
  const partial =
    rejected === undefined ? {} : { partialSuccess: { rejectedSpans: rejected, errorMessage: 'not these' } }
  const bytes = isJson ? JSON.stringify(partial) : type.encode(type.create(partial)).finish()
  response.writeHead(status, { 'content-type': isJson ? 'application/json' : 'application/x-protobuf', ...headers })
  response.end(body ?? bytes)
}

/** A collector of OTLP over HTTP, with a decoder of its own. `port` lets it come back where it was. */
export const startCollector = async (port = 0): Promise<OtlpCollector> => {
  const spans: CollectedSpan[] = []
  const requests: CollectorRequest[] = []
  let answering: CollectorAnswer = () => ({})
  const server = createServer(async (request, response) => {
    const sent = await wholeBody(request)
    if (!sent) return
    const isJson = request.headers['content-type'] === 'application/json'
    const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
    const type = request.url?.endsWith('/v1/metrics') ? 'ExportMetricsServiceRequest' : 'ExportTraceServiceRequest'
    const body = isJson ? JSON.parse(bytes.toString()) : decodeAs(type, bytes)
    if (type === 'ExportMetricsServiceRequest') {
      const status = collector.metricsStatus
      if (status === 200) collector.metrics.push(...metricsIn(body, request.headers))
      return reply(response, isJson, { status })
    }
    const seen = { path: request.url ?? '', headers: request.headers, spans: spansIn(body, isJson) }
    requests.push(seen)
    const answer = answering(seen)
    if ((answer.status ?? 200) < 300) spans.push(...seen.spans)
    reply(response, isJson, answer)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const collector: OtlpCollector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    metrics: [],
    metricsStatus: 200,
    answer(how) {
      answering = how
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return collector
}
