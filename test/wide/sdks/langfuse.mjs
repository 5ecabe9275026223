// Langfuse's SDK: its span processor, its wrapper of OpenAI's client, and a score.
import { LangfuseClient } from '@langfuse/client'
import { observeOpenAI } from '@langfuse/openai'
import { LangfuseSpanProcessor } from '@langfuse/otel'
import { getActiveTraceId, propagateAttributes, startActiveObservation } from '@langfuse/tracing'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import OpenAI from 'openai'

const { JETTY_URL, JETTY_KEY, MODEL, SERVICE } = process.env
const account = { publicKey: 'pk-lf-any', secretKey: JETTY_KEY, baseUrl: JETTY_URL }
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': SERVICE }),
  spanProcessors: [new LangfuseSpanProcessor(account)],
})
provider.register()
const langfuse = new LangfuseClient(account)

await startActiveObservation('answer', async (root) => {
  await propagateAttributes({ userId: 'ada', sessionId: 'conv-1' }, async () => {
    root.update({ input: 'Hello' })
    const client = observeOpenAI(new OpenAI())
    await client.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }] })
    langfuse.score.create({ traceId: getActiveTraceId(), name: 'helpful', value: 0.9 })
  })
})
await langfuse.flush()
await provider.shutdown()
