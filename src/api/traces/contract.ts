import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { labelNameSchema, labelValueSchema } from '../../model/runs/label.ts'

/** A score as Langfuse's clients send it. */
export const scoreSchema = z
  .object({
    id: z.string().max(200).nullish().describe('Id of the score; the answer repeats it.'),
    traceId: z
      .string('A score names its trace in traceId; scores of sessions and dataset runs are not taken')
      .min(1)
      .max(200)
      .describe('Trace that is judged, or any run by its trajectory id.'),
    observationId: z.string().max(200).nullish().describe('Span that is judged; without it the whole trace is.'),
    name: labelNameSchema.describe('Key of the label.'),
    value: labelValueSchema.describe('Value of the label.'),
    comment: labelValueSchema.nullish().describe('Recorded as a second label, `<name>.comment`.'),
    dataType: z.string().max(40).nullish().describe('With `BOOLEAN`, 1 and 0 are recorded as `true` and `false`.'),
  })
  .meta({ id: 'TraceScore' })
export type Score = z.output<typeof scoreSchema>

const mostEvents = 1000

const ingestedEvent = z.object({ id: z.string(), status: z.int() })

/** Callers of Langfuse's API: the key is a bearer token or the password of Basic authentication. */
const langfuse = {
  method: 'POST',
  tag: 'Traces',
  audited: false,
  headers: { 'X-Jetty-Collection': 'Collection of the trace. Default: the home collection of the key.' },
  apiKeyHeader: true,
  basicAuth: true,
} as const

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
  remapTraces: endpoint({
    method: 'POST',
    path: '/api/v1/traces/{collection}/remap',
    summary:
      'Read the stored spans of traces again by the conventions of today, a part with each call: kinds, messages, tokens and cost of their steps. Doing it twice changes nothing more',
    tag: 'Traces',
    audited: false,
    body: z.object({
      task: z.string().optional().describe('Only traces of this task.'),
      cursor: z.string().max(200).optional().describe('Where to go on: `next_cursor` of the answer before.'),
    }),
    response: z.object({
      spans: z.int().describe('Spans that were read in this part.'),
      changed: z.int().describe('Those whose steps are different now.'),
      next_cursor: z.string().nullable().describe('Pass as `cursor` to go on; null when all are read.'),
    }),
  }),
  createScore: endpoint({
    ...langfuse,
    path: '/api/public/scores',
    summary:
      'Set a score of a trace as a label of its run, as clients of Langfuse do; it replaces the same score of the same author. A score may come before its trace: it waits for a day',
    body: scoreSchema,
    response: z.object({ id: z.string() }),
    errors: ['busy'],
  }),
  ingestEvents: endpoint({
    ...langfuse,
    path: '/api/public/ingestion',
    summary:
      'Set scores, as the SDKs of Langfuse send them: in batches, each answered for itself. Traces and observations are not taken here, but over OTLP',
    body: z.object({
      batch: z
        .array(z.object({ id: z.string().max(200), type: z.string().max(100), body: z.unknown() }))
        .max(mostEvents)
        .describe('Events; those of type `score-create` are taken.'),
    }),
    status: 207,
    response: z.object({
      successes: z.array(ingestedEvent),
      errors: z.array(ingestedEvent.extend({ message: z.string() })),
    }),
  }),
}
