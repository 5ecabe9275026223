// The client of OpenAI, seen by OpenInference.
import { OpenAIInstrumentation } from '@arizeai/openinference-instrumentation-openai'
import { trace } from '@opentelemetry/api'
import OpenAI from 'openai'
import { MODEL, provider } from './provider.mjs'

const instrumentation = new OpenAIInstrumentation({ tracerProvider: provider })
instrumentation.manuallyInstrument(OpenAI)

await trace.getTracer('own').startActiveSpan('answer', async (root) => {
  await new OpenAI().chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }] })
  root.end()
})
await provider.shutdown()
