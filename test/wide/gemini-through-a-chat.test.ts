// gemini-cli, from npm, carries a runbook out with a model that is asked in a chat.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { fiveSteps, startFiveSteps } from '../agents/five-steps.ts'
import { startTestServer, type TestServer } from '../server.ts'

let model: Awaited<ReturnType<typeof startFiveSteps>>
let jetty: TestServer
beforeAll(async () => {
  model = await startFiveSteps()
  jetty = await startTestServer({
    env: { JETTY_AGENTS_DIR: agentsFolder(), OPENROUTER_BASE_URL: `${model.url}/v1` },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENROUTER_API_KEY: 'sk-or-unmistakable-3d90' },
  })
})
afterAll(async () => {
  await jetty?.close()
  await model?.stop()
})

it('gemini-cli carries five steps out through OpenRouter, whose key is the only one there', async () => {
  const { body } = await jetty.call('POST', '/v1/chat/completions', {
    model: 'google/gemini-3.1-pro-preview',
    messages: [
      { role: 'system', content: fiveSteps.runbook },
      { role: 'user', content: 'Execute the runbook.' },
    ],
    jetty: { runbook: true, collection: 'acme', task: 'five-gemini', agent: 'gemini-cli' },
  })
  const { outputs } = (await jetty.get('five-gemini', body.trajectory_id)).steps.run
  expect(outputs).toMatchObject({ success: true, model_provider: 'openrouter', text: fiveSteps.done })
  expect(outputs.usage.prompt_tokens).toBe(outputs.usage.api_calls * fiveSteps.tokens.input)
  expect(outputs.results_files).toHaveLength(Object.keys(fiveSteps.files).length)
  const asked = model.getRequests().filter(({ path }) => path.includes('/chat/completions'))
  expect(asked.length).toBeGreaterThan(Object.keys(fiveSteps.files).length)
})
