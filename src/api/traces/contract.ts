import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'

export const tracesContract = {
  exportTraces: endpoint({
    method: 'POST',
    path: '/v1/traces',
    aliases: ['/api/public/otel/v1/traces'],
    summary:
      'Record spans of another program as runs and steps: OTLP over HTTP in protobuf or JSON, also as gzip. Answers once they are committed; a span that is sent again changes nothing',
    tag: 'Traces',
    audited: false,
    headers: {
      'X-Jetty-Collection': 'Collection in which the traces are recorded. Default: the home collection of the key.',
      'Content-Encoding': 'gzip, if the body is compressed.',
    },
    body: z.looseObject({
      resourceSpans: z.array(z.looseObject({})).describe('As ExportTraceServiceRequest of OTLP declares it.'),
    }),
    response: z.object({
      partialSuccess: z
        .object({ rejectedSpans: z.int(), errorMessage: z.string() })
        .optional()
        .describe('Spans that were not taken, and why.'),
    }),
    mediaTypes: ['application/x-protobuf'],
    errors: ['bad_request', 'unsupported_encoding', 'busy'],
    apiKeyHeader: true,
    basicAuth: true,
  }),
}
