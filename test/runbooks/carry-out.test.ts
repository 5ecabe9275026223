import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRunner } from './runner.ts'

let opened: Awaited<ReturnType<typeof openRunner>>
beforeAll(async () => {
  opened = await openRunner()
})
afterAll(async () => {
  await opened.close()
})

const block = (script: string) => `\`\`\`sh\n${script}\n\`\`\`\n`

it('carries a runbook out, and keeps what it has made', async () => {
  const text = `---\nprimary_outputs: report.md\n---\n# Report\n${block('mkdir -p "{{results_dir}}/deep/er"; echo hello {{who}} > {{results_dir}}/report.md; echo x > {{results_dir}}/deep/er/x.txt')}`
  const { outcome, kept, events } = await opened.carryOut(text, { template_variables: { who: 'world' } })
  expect(outcome).toMatchObject({
    failure: null,
    agent: 'scripted',
    model_provider: null,
    sandbox: 'bubblewrap',
    exit_code: 0,
    results_dir: '/app/results',
    primary_files: ['acme/task/0000/report.md'],
    agent_log: 'acme/task/0000/agent_scripted.txt',
  })
  expect(outcome.usage.api_calls).toBe(1)
  expect(kept.get('report.md')?.toString()).toBe('hello world\n')
  expect([...kept.keys()].sort()).toEqual(['agent_scripted.txt', 'deep/er/x.txt', 'report.md'])
  expect(events.at(-1)).toMatchObject({ type: 'phase', phase: 'finished' })
})

it('a plain process is refused where less of a network is asked for than it has', async () => {
  const plain = await openRunner({ JETTY_SANDBOX: 'process' })
  try {
    const failed = async (text: string, request: { network_enabled?: boolean } = {}) => {
      const { checks } = await plain.preflight(text, { agent: 'scripted', ...request })
      return checks.filter(({ state }) => state === 'failed').map(({ field }) => field)
    }
    expect(await failed(block('true'))).toEqual([])
    expect(await failed(block('true'), { network_enabled: false })).toEqual(['network_enabled'])
    expect(await failed(`---\nallowed_hosts: [a.example]\n---\n${block('true')}`)).toEqual(['network_enabled'])
  } finally {
    await plain.close()
  }
})
