// A check that does not pass is told to an agent from npm, which mends what it has made, or does not.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { agentsFolder } from '../../agents/agents-folder.ts'
import { startModel } from '../../agents/five-steps.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let model: Awaited<ReturnType<typeof startModel>>
let jetty: TestServer
beforeAll(async () => {
  model = await startModel(['echo one more >> /app/results/lines.txt'], 'All is done.')
  const env = { JETTY_AGENTS_DIR: agentsFolder(), ANTHROPIC_BASE_URL: model.url, OPENAI_BASE_URL: `${model.url}/v1` }
  jetty = await startTestServer({ env })
  const keys = { ANTHROPIC_API_KEY: 'sk-ant-unmistakable-repairs-3', OPENAI_API_KEY: 'sk-unmistakable-repairs-4' }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(async () => {
  await jetty?.close()
  await model?.stop()
})

const carryOut = async (agent: string, name: string, lines: number, rounds: number) => {
  const verify = `command: 'echo "$(wc -l < lines.txt) of ${lines} lines"; test "$(wc -l < lines.txt)" -ge ${lines}'`
  const instruction = `---\nprimary_outputs: lines.txt\nverify:\n  ${verify}\n  repair_rounds: ${rounds}\n---\n# Lines\n\nWrite lines.\n`
  const step = { activity: 'runbook', agent, model: name, instruction, timeout_sec: 200 }
  const run = await jetty.run({ step_configs: { work: step }, steps: ['work'] } as never)
  const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
  const phases = body.events.flatMap(({ type, message }: Body) => (type === 'agent_phase' ? [message] : []))
  return { run, outputs: run.steps.work.outputs, phases }
}
const asked = () => JSON.stringify(model.getRequests().map(({ body }) => body))

it('claude-code: one repair, and it passes', async () => {
  const { run, outputs, phases } = await carryOut('claude-code', 'claude-sonnet-4-6', 2, 2)
  expect(run.status, JSON.stringify(run.steps.work)).toBe('completed')
  expect(outputs).toMatchObject({
    success: true,
    verification: { passed: true, kind: 'command', exit_code: 0, output: '2 of 2 lines\n', repair_rounds: 1 },
    usage: { api_calls: 4 },
  })
  expect(phases.filter((message: string) => message.startsWith('Repair'))).toEqual(['Repair 1 of 2'])
}, 300_000)

it('codex: it never passes, and the last round is what is told', async () => {
  model.clearRequests()
  const { run, outputs } = await carryOut('codex', 'gpt-5.5', 9, 1)
  expect(run.status).toBe('failed')
  expect(run.error).toContain('The independent check did not pass after 1 repair round (exit code 1): 2 of 9 lines')
  expect(outputs).toMatchObject({
    success: false,
    failure_reason: 'verify_failed',
    verification: { passed: false, exit_code: 1, output: '2 of 9 lines\n', repair_rounds: 1 },
    text: 'All is done.',
    primary_files: [expect.stringContaining('lines.txt')],
  })
  expect(asked()).toContain('1 of 9 lines') // what the check said is what the agent was told
}, 300_000)
