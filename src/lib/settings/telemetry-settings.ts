import { traceSamplers } from '../text/trace-context.ts'
import { baseUrl, byteCount, decimal, oneOf, reading, setting, text, trueOrFalse, wholeNumber } from './setting.ts'

const decoded = (value: string): string | undefined => {
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}

/** Pairs as OpenTelemetry writes them: `name=value,name=value`, the values percent-encoded where they must be. */
const pairs = (rule: string, isName: RegExp) =>
  reading(rule, (given) => {
    const found: Record<string, string> = {}
    for (const part of given.split(',')) {
      if (part.trim() === '') continue
      const [, name, raw] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(part) ?? []
      const value = raw === undefined ? undefined : decoded(raw)
      if (
        name === undefined ||
        value === undefined ||
        !isName.test(name) ||
        !/^[\t\x20-\x7e\x80-\uffff]*$/.test(value)
      ) {
        return undefined
      }
      found[name] = value
    }
    return found
  })

/** Settings of the export of traces and metrics, under the names that OpenTelemetry gives them. */
export const telemetrySettings = {
  otlpEndpoint: setting({
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    description:
      'Base URL of a collector that takes OTLP over HTTP. The server sends traces of ended runs and its metrics to it; ' +
      '/v1/traces and /v1/metrics are appended. It may be a private address.',
    example: 'http://localhost:4318',
    schema: baseUrl(),
  }),
  otlpHeaders: setting({
    variable: 'OTEL_EXPORTER_OTLP_HEADERS',
    description: 'Headers of every request to the collector, such as its key: name=value,name=value.',
    example: 'x-honeycomb-team=a-key-of-yours',
    secret: true,
    schema: pairs('be name=value pairs, separated by commas, the values percent-encoded', /^[\w!#$%&'*+.^`|~-]+$/),
  }),
  otlpProtocol: setting({
    variable: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    description:
      'Encoding of what is sent to the collector. gRPC is not supported: use the HTTP port of the collector, often 4318.',
    default: 'http/protobuf',
    example: 'http/json',
    schema: oneOf(['http/protobuf', 'http/json']),
  }),
  otlpCompression: setting({
    variable: 'OTEL_EXPORTER_OTLP_COMPRESSION',
    description: 'Compression of what is sent to the collector.',
    default: 'gzip',
    example: 'none',
    schema: oneOf(['gzip', 'none']),
  }),
  otlpTimeoutMs: setting({
    variable: 'OTEL_EXPORTER_OTLP_TIMEOUT',
    description: 'Milliseconds after which a request to the collector counts as failed, and is repeated.',
    default: '10000',
    example: '30000',
    schema: wholeNumber(100, 600_000),
  }),
  otelServiceName: setting({
    variable: 'OTEL_SERVICE_NAME',
    description: 'service.name of everything that is sent to the collector.',
    default: 'jetty',
    example: 'jetty-production',
    schema: text('be a name'),
  }),
  otelResourceAttributes: setting({
    variable: 'OTEL_RESOURCE_ATTRIBUTES',
    description: 'More attributes of everything that is sent to the collector: name=value,name=value.',
    default: '',
    example: 'deployment.environment.name=production',
    schema: pairs('be name=value pairs, separated by commas, the values percent-encoded', /^\S+$/),
  }),
  tracesSampler: setting({
    variable: 'OTEL_TRACES_SAMPLER',
    description:
      'Which traces are sent to the collector. With parentbased_… a run that came with a traceparent follows the decision of ' +
      'its caller; traceidratio takes the part that OTEL_TRACES_SAMPLER_ARG names.',
    default: 'parentbased_always_on',
    example: 'parentbased_traceidratio',
    schema: oneOf(traceSamplers),
  }),
  tracesSampled: setting({
    variable: 'OTEL_TRACES_SAMPLER_ARG',
    description: 'The part of traces that the sampler traceidratio sends, from 0 to 1.',
    default: '1',
    example: '0.1',
    schema: decimal(0, 1),
  }),
  otlpContents: setting({
    variable: 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT',
    description:
      'Whether spans have contents: messages to and from models, arguments and results of tools, inputs and outputs of ' +
      'steps. Secrets of the environment are struck out of them, as everywhere.',
    default: 'false',
    example: 'true',
    schema: trueOrFalse(),
  }),
  otlpValueCharacters: setting({
    variable: 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT',
    description: 'Characters of one attribute of a span; the rest of a longer value is cut off.',
    default: '16384',
    example: '4096',
    schema: wholeNumber(64, 1_000_000),
  }),
  metricsExporter: setting({
    variable: 'OTEL_METRICS_EXPORTER',
    description:
      'Whether metrics are sent to the collector: otlp, or none, for backends that take traces only. /metrics has them in any case.',
    default: 'otlp',
    example: 'none',
    schema: oneOf(['otlp', 'none']),
  }),
  metricsEveryMs: setting({
    variable: 'OTEL_METRIC_EXPORT_INTERVAL',
    description: 'Milliseconds between two exports of the metrics of a process.',
    default: '60000',
    example: '15000',
    schema: wholeNumber(100, 86_400_000),
  }),
  otlpBatchSpans: setting({
    variable: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
    description: 'Spans in one request to the collector, at most.',
    default: '512',
    example: '2048',
    schema: wholeNumber(1, 10_000),
  }),
  otlpCollectorsAtOnce: setting({
    variable: 'JETTY_OTLP_COLLECTORS_AT_ONCE',
    description:
      'Collectors of collections that a process sends traces to at once; the others have their turn after them.',
    default: '4',
    example: '16',
    schema: wholeNumber(1, 256),
  }),
  otlpBatchBytes: setting({
    variable: 'JETTY_OTLP_BATCH_BYTES',
    description:
      'Bytes of the spans in one request to the collector, about and before compression; a larger span goes alone.',
    default: '2MiB',
    example: '500KiB',
    schema: byteCount(),
  }),
}
