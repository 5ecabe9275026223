// An agent of LangChain with a tool. OpenInference sees LangChain, and the client of OpenAI below it: two spans a call.
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain'
import { OpenAIInstrumentation } from '@arizeai/openinference-instrumentation-openai'
import * as callbacks from '@langchain/core/callbacks/manager'
import { ChatOpenAI } from '@langchain/openai'
import { createAgent, tool } from 'langchain'
import OpenAI from 'openai'
import { z } from 'zod'
import { MODEL, provider } from './provider.mjs'

new LangChainInstrumentation({ tracerProvider: provider }).manuallyInstrument(callbacks)
if (process.env.TWICE) new OpenAIInstrumentation({ tracerProvider: provider }).manuallyInstrument(OpenAI)

const weather = tool(async () => '21 degrees', {
  name: 'weather',
  description: 'The temperature of a city',
  schema: z.object({ city: z.string() }),
})
const agent = createAgent({ model: new ChatOpenAI({ model: MODEL, streaming: false }), tools: [weather] })
await agent.invoke({ messages: [{ role: 'user', content: 'How warm is it in Rome?' }] })
await provider.shutdown()
