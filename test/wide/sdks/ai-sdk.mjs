// Vercel's AI SDK with its own telemetry: an agent that calls a tool.
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, stepCountIs, tool } from 'ai'
import { z } from 'zod'
import { MODEL, provider } from './provider.mjs'

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL })
await generateText({
  model: openai.chat(MODEL),
  prompt: 'How warm is it in Rome?',
  tools: {
    weather: tool({
      description: 'The temperature of a city',
      inputSchema: z.object({ city: z.string() }),
      execute: async () => ({ celsius: 21 }),
    }),
  },
  stopWhen: stepCountIs(3),
  experimental_telemetry: {
    isEnabled: true,
    functionId: 'support',
    metadata: { userId: 'ada', sessionId: 'conv-1' },
  },
})
await provider.shutdown()
