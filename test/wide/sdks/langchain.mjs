// An agent of LangChain with a tool, seen by OpenInference.
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain'
import * as callbacks from '@langchain/core/callbacks/manager'
import { ChatOpenAI } from '@langchain/openai'
import { createAgent, tool } from 'langchain'
import { z } from 'zod'
import { MODEL, provider } from './provider.mjs'

new LangChainInstrumentation({ tracerProvider: provider }).manuallyInstrument(callbacks)

const weather = tool(async () => '21 degrees', {
  name: 'weather',
  description: 'The temperature of a city',
  schema: z.object({ city: z.string() }),
})
const agent = createAgent({ model: new ChatOpenAI({ model: MODEL, streaming: false }), tools: [weather] })
await agent.invoke({ messages: [{ role: 'user', content: 'How warm is it in Rome?' }] })
await provider.shutdown()
