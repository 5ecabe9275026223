import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunbookAgent } from '../../src/model/runbooks/runbook-agents.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { agentsFolder } from './agents-folder.ts'
import { fiveSteps, startFiveSteps } from './five-steps.ts'

/** The keys that the server has, none of which any agent sees. */
const keys = {
  OPENAI_API_KEY: 'sk-unmistakable-agents-5b11',
  ANTHROPIC_API_KEY: 'sk-ant-unmistakable-agents-7c02',
  GEMINI_API_KEY: 'gm-unmistakable-agents-2f60',
  OPENROUTER_API_KEY: 'sk-or-unmistakable-agents-90d4',
  AWS_BEARER_TOKEN_BEDROCK: 'bedrock-unmistakable-agents-41c8',
}

export type Row = readonly [agent: RunbookAgent, model: string, provider: string]

const calls = Object.keys(fiveSteps.files).length + 1

/** Each of these, from npm, carries a runbook out in a sandbox, asked for by the client of OpenAI. */
export const describeFiveSteps = (rows: readonly Row[]): void => {
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
        GEMINI_BASE_URL: `${model.url}/v1beta`,
        OPENROUTER_BASE_URL: `${model.url}/v1`,
      },
    })
    const environment = { ...keys, BEDROCK_BASE_URL: model.url }
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: environment })
    key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })).body.api_key
  })
  afterAll(async () => {
    await jetty?.close()
    await model?.stop()
  })
  const download = async (path: string): Promise<string> => {
    const answer = await fetch(`${jetty.url}/api/v1/file/${path}`, { headers: { authorization: `Bearer ${key}` } })
    expect(answer.status).toBe(200)
    return answer.text()
  }

  describe.each(rows)('%s with %s of %s', (agent, name, provider) => {
    it('carries five steps out, in a stream that tells of each', async () => {
      model.clearRequests()
      const task = `five-${agent}-${provider}`
      const client = new OpenAI({ apiKey: key, baseURL: jetty.url, maxRetries: 0 })
      const asked = {
        model: name,
        stream: true as const,
        stream_options: { include_usage: true },
        messages: [
          { role: 'system' as const, content: fiveSteps.runbook },
          { role: 'user' as const, content: 'Execute the runbook.' },
        ],
        jetty: { runbook: true, collection: 'acme', task, agent, model_provider: provider },
      }
      const { data, response } = await client.chat.completions.create(asked).withResponse()
      const chunks: Body[] = []
      for await (const chunk of data) chunks.push(chunk)

      const { trajectory_id: id, workflow_id: workflow } = chunks[0] as Body
      expect([response.headers.get('x-jetty-trajectory-id'), response.headers.get('x-jetty-workflow-id')]).toEqual([
        id,
        workflow,
      ])
      const stop = chunks.find(({ choices }) => choices[0]?.finish_reason === 'stop')
      expect(stop.jetty_metadata, JSON.stringify(chunks.slice(-12))).toMatchObject({
        status: 'completed',
        trajectory_id: id,
      })
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toContain(fiveSteps.done)
      const told = chunks.flatMap(({ jetty_event: event }) => (event ? [event.type] : []))
      expect(told.filter((type) => type === 'agent_tool_call')).toHaveLength(calls - 1)
      expect(told.filter((type) => type === 'model_call')).toHaveLength(calls)

      // What its model has answered, no more and no less, was metered.
      const answered = model.getRequests().filter(({ response: { fixture } }) => fixture)
      expect(answered.map(({ path }) => path)).toHaveLength(calls)
      const { usage } = chunks.at(-1) as Body
      expect([usage.prompt_tokens, usage.completion_tokens]).toEqual([
        calls * fiveSteps.tokens.input,
        calls * fiveSteps.tokens.output,
      ])

      const run = await jetty.get(task, id)
      const { inputs, outputs } = run.steps.run
      expect(inputs).toMatchObject({ agent, model: name, instruction: fiveSteps.runbook.trim() })
      expect(outputs).toMatchObject({
        success: true,
        failure_reason: null,
        agent,
        model: name,
        model_provider: provider,
        sandbox: 'bubblewrap',
        snapshot: 'python312-uv',
        results_dir: '/app/results',
        exit_code: 0,
        text: fiveSteps.done,
        validation_report: { overall_passed: true },
        usage: {
          prompt_tokens: usage.prompt_tokens,
          completion_tokens: usage.completion_tokens,
          total_tokens: usage.prompt_tokens + usage.completion_tokens,
          api_calls: calls,
        },
      })
      const made: Record<string, string> = {}
      for (const { relative_path, path } of outputs.results_files) made[relative_path] = await download(path)
      expect(made).toEqual(fiveSteps.files)
      expect(outputs.primary_files).toEqual([expect.stringContaining('summary.md')])
      expect(outputs.files.map(({ path }: Body) => path)).toEqual([
        ...outputs.results_files.map(({ path }: Body) => path),
        outputs.agent_log,
      ])
      expect(await download(outputs.agent_log)).toContain('wrote validation_report.json')

      const { body: logs } = await jetty.call('GET', `/api/v1/workflows-logs/${workflow}`)
      const types: string[] = logs.events.map(({ type }: Body) => type)
      const ofTypes = (wanted: string[]) => types.filter((type) => wanted.includes(type))
      expect(ofTypes(['agent_tool_call', 'agent_tool_result'])).toHaveLength(2 * (calls - 1))
      expect(ofTypes(['agent_phase', 'agent_message', 'model_call', 'agent_end']).length).toBeGreaterThan(calls + 2)
    }, 180_000)
  })
}
