// A program with nothing but OpenTelemetry: it writes the attributes of the GenAI conventions itself.
import { trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import OpenAI from 'openai'

const { JETTY_URL, JETTY_KEY, MODEL, SERVICE } = process.env
const headers = { authorization: `Bearer ${JETTY_KEY}` }
const exporter = new OTLPTraceExporter({ url: `${JETTY_URL}/v1/traces`, headers })
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': SERVICE }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
})
provider.register()
const tracer = trace.getTracer('own')

await tracer.startActiveSpan('answer', async (root) => {
  const messages = [{ role: 'user', content: 'Hello' }]
  await tracer.startActiveSpan(`chat ${MODEL}`, async (span) => {
    const { model, usage, choices } = await new OpenAI().chat.completions.create({ model: MODEL, messages })
    span.setAttributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': MODEL,
      'gen_ai.response.model': model,
      'gen_ai.usage.input_tokens': usage.prompt_tokens,
      'gen_ai.usage.cache_read.input_tokens': usage.prompt_tokens_details.cached_tokens,
      'gen_ai.usage.output_tokens': usage.completion_tokens,
      'gen_ai.usage.reasoning.output_tokens': usage.completion_tokens_details.reasoning_tokens,
      'gen_ai.response.finish_reasons': [choices[0].finish_reason],
      'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'Hello' }] }]),
      'gen_ai.output.messages': JSON.stringify([
        { role: 'assistant', parts: [{ type: 'text', content: choices[0].message.content }] },
      ]),
    })
    span.end()
  })
  root.setAttributes({ 'user.id': 'ada', 'session.id': 'conv-1' })
  root.end()
})
await provider.shutdown()
