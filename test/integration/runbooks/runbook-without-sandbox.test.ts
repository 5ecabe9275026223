// A server on which nothing isolates: runbooks are refused and all else works, unless a plain process was asked for.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { useSystemTools } from '../../sandboxes/system-tools.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
useSystemTools()
afterEach(() => jetty.close())

const runbook = (script: string) => `# Do\n\n\`\`\`sh\n${script}\n\`\`\`\n`
const ask = (script: string, block: Body = {}) =>
  jetty.call('POST', '/v1/chat/completions', {
    model: 'scripted',
    messages: [{ role: 'system', content: runbook(script) }],
    jetty: { collection: 'acme', task: 'do', agent: 'scripted', ...block },
  })

it('refuses runbooks with what to do, begins nothing of them, and does everything else', async () => {
  jetty = await startTestServer({ env: { JETTY_SANDBOX: 'podman', JETTY_SANDBOX_SOCKET: '/nowhere/podman.sock' } })
  const { status, body } = await ask('true')
  expect(status).toBe(503)
  expect(body.error).toMatchObject({
    code: 'sandbox_unavailable',
    message: expect.stringContaining('/nowhere/podman.sock'),
  })
  expect(JSON.stringify(body)).toMatch(/podman\.socket|podman system service/)
  expect((await jetty.call('GET', '/api/v1/db/trajectories/acme/do')).body.trajectories ?? []).toEqual([])

  const script = { step_configs: { code: { activity: 'script', language: 'shell', code: 'true' } }, steps: ['code'] }
  const validated = await jetty.call('POST', '/api/v1/tasks/acme/validate', { workflow: script })
  expect(validated.body.faults).toMatchObject([
    { severity: 'error', step: 'code', message: expect.stringContaining('/nowhere/podman.sock') },
  ])
  const refused = await jetty.call('POST', `/api/v1/run/acme/${await jetty.task(script)}`, {})
  expect(refused.body.message).toMatch(/fails before its first step. Step 'code': /)

  const run = await jetty.run({ step_configs: { say: { activity: 'text_echo', text: 'works' } }, steps: ['say'] })
  expect(run.status).toBe('completed')
}, 180_000)

it('marks each run that a plain process carried out, however it ended', async () => {
  jetty = await startTestServer({ env: { JETTY_SANDBOX: 'process' } })
  const ended: Record<string, Body> = {}
  for (const [script, block] of [
    ['echo x > {{results_dir}}/x', {}],
    ['exit 3', {}],
    ['sleep 60', { timeout_sec: 1 }],
  ] as const) {
    const { body } = await ask(script, { task: `plain-${Object.keys(ended).length}`, ...block })
    const { body: run } = await jetty.call('GET', body.jetty.poll_url)
    const { body: log } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?limit=1000`)
    expect(run.steps.run.outputs.sandbox).toBe('process')
    expect(JSON.stringify(log.events)).toContain('without isolation (JETTY_SANDBOX=process)')
    ended[script] = [run.status, run.steps.run.outputs.failure_reason]
  }
  expect(Object.values(ended)).toEqual([
    ['completed', null],
    ['failed', 'agent_failed'],
    ['failed', 'timed_out'],
  ])
  expect(readdirSync(join(jetty.dataDir, 'sandboxes'))).toEqual([])
  const script = { step_configs: { code: { activity: 'script', language: 'shell', code: 'true' } }, steps: ['code'] }
  const refused = await jetty.call('POST', `/api/v1/run/acme/${await jetty.task(script)}`, {})
  expect(refused.body.message).toMatch(/fails before its first step. Step 'code': .*isolates nothing/)
}, 180_000)
