// The coding agents that people use, from npm, carry a runbook out in a sandbox, asked for by the client of OpenAI.
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { fiveSteps, startFiveSteps } from '../agents/five-steps.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const keys = { OPENAI_API_KEY: 'sk-unmistakable-agents-5b11', ANTHROPIC_API_KEY: 'sk-ant-unmistakable-agents-7c02' }

let model: Awaited<ReturnType<typeof startFiveSteps>>
let jetty: TestServer
let key: string
beforeAll(async () => {
  model = await startFiveSteps()
  jetty = await startTestServer({
    env: {
      JETTY_AGENTS_DIR: agentsFolder(),
      ANTHROPIC_BASE_URL: model.url,
      OPENAI_BASE_URL: `${model.url}/v1`,
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await model?.stop()
})

const calls = Object.keys(fiveSteps.files).length + 1

describe.each([
  ['claude-code', 'claude-sonnet-4-6', 'anthropic'],
  ['codex', 'gpt-5.5', 'openai'],
])('%s', (agent, name, provider) => {
  it('carries five steps out, in a stream that tells of each', async () => {
    const client = new OpenAI({ apiKey: key, baseURL: jetty.url, maxRetries: 0 })
    const asked = {
      model: name,
      stream: true as const,
      stream_options: { include_usage: true },
      messages: [
        { role: 'system' as const, content: fiveSteps.runbook },
        { role: 'user' as const, content: 'Execute the runbook.' },
      ],
      jetty: { runbook: true, collection: 'acme', task: `five-${agent}`, agent },
    }
    const chunks: Body[] = []
    for await (const chunk of await client.chat.completions.create(asked)) chunks.push(chunk)

    const { trajectory_id: id } = chunks[0] as Body
    const stop = chunks.find(({ choices }) => choices[0]?.finish_reason === 'stop')
    expect(stop.jetty_metadata, JSON.stringify(chunks.slice(-12))).toMatchObject({
      status: 'completed',
      trajectory_id: id,
    })
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toContain(fiveSteps.done)
    const { usage } = chunks.at(-1) as Body
    expect([usage.prompt_tokens, usage.completion_tokens]).toEqual([
      calls * fiveSteps.tokens.input,
      calls * fiveSteps.tokens.output,
    ])
    const told = chunks.flatMap(({ jetty_event: event }) => (event ? [event.type] : []))
    expect(told.filter((type) => type === 'agent_tool_call')).toHaveLength(calls - 1)
    expect(told.filter((type) => type === 'model_call')).toHaveLength(calls)

    const run = await jetty.get(`five-${agent}`, id)
    const { inputs, outputs } = run.steps.run
    expect(inputs).toMatchObject({ agent, model: name, instruction: fiveSteps.runbook.trim() })
    expect(outputs).toMatchObject({
      success: true,
      failure_reason: null,
      agent,
      model: name,
      model_provider: provider,
      sandbox: 'bubblewrap',
      exit_code: 0,
      text: fiveSteps.done,
      validation_report: { overall_passed: true },
      usage: { prompt_tokens: usage.prompt_tokens, completion_tokens: usage.completion_tokens, api_calls: calls },
    })
    const made: Record<string, string> = {}
    for (const { relative_path, path } of outputs.results_files) {
      const answer = await fetch(`${jetty.url}/api/v1/file/${path}`, { headers: { authorization: `Bearer ${key}` } })
      made[relative_path] = await answer.text()
    }
    expect(made).toEqual(fiveSteps.files)
    expect(outputs.primary_files).toEqual([expect.stringContaining('summary.md')])
    const log = await fetch(`${jetty.url}/api/v1/file/${outputs.agent_log}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    expect(await log.text()).toContain(fiveSteps.done)
    const { body: logs } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
    expect(logs.events.map(({ type }: Body) => type)).toEqual(
      expect.arrayContaining(['agent_phase', 'agent_tool_call', 'agent_tool_result', 'agent_message', 'model_call']),
    )
  }, 180_000)
})
