// An agent of Mastra with a tool. Its exporter sends every five seconds, and has no way to be flushed.
import { setTimeout as pause } from 'node:timers/promises'
import { Mastra } from '@mastra/core'
import { Agent } from '@mastra/core/agent'
import { createTool } from '@mastra/core/tools'
import { OtelExporter } from '@mastra/otel-exporter'
import { createOpenAI } from 'ai-sdk-openai-2'
import { z } from 'zod'

const { JETTY_URL, JETTY_KEY, MODEL, SERVICE } = process.env
const weather = createTool({
  id: 'weather',
  description: 'The temperature of a city',
  inputSchema: z.object({ city: z.string() }),
  outputSchema: z.object({ celsius: z.number() }),
  execute: async () => ({ celsius: 21 }),
})
const helper = new Agent({
  name: 'helper',
  instructions: 'Help.',
  model: createOpenAI({ baseURL: process.env.OPENAI_BASE_URL }).chat(MODEL),
  tools: { weather },
})
const headers = { authorization: `Bearer ${JETTY_KEY}` }
const exporter = new OtelExporter({
  provider: { custom: { endpoint: `${JETTY_URL}/v1/traces`, protocol: 'http/protobuf', headers } },
})
const mastra = new Mastra({
  agents: { helper },
  logger: false,
  observability: { configs: { otel: { serviceName: SERVICE, exporters: [exporter] } } },
})
await mastra.getAgent('helper').generate('How warm is it in Rome?')
await pause(7_000)
process.exit(0)
