// The tracer provider of the programs that bring none of their own.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

export const { JETTY_URL, JETTY_KEY, MODEL, SERVICE } = process.env

const headers = { authorization: `Bearer ${JETTY_KEY}` }
export const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': SERVICE }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${JETTY_URL}/v1/traces`, headers }))],
})
provider.register()
