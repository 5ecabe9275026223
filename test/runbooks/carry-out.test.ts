import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunbookHost } from '../../src/model/runbooks/runbook-run.ts'
import { openRunner, read } from './runner.ts'

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

it('what is declared and can no longer be read when it is to be kept was not carried out', async () => {
  const spoil = () => {
    const sandboxes = join(opened.dataDir, 'sandboxes')
    for (const id of readdirSync(sandboxes)) writeFileSync(join(sandboxes, id, 'app/results/b.txt'), 'another text')
  }
  const keep: RunbookHost['keep'] = async (file, relative_path) => {
    const { name, content_type } = file
    const bytes = await read(file.open())
    spoil()
    return { path: relative_path, name, extension: 'txt', content_type, size: bytes.length, relative_path }
  }
  const made = block('cd /app/results; echo a > a.txt; echo b > b.txt')
  const carriedOut = async (declared: string) =>
    (await opened.carryOut(`---\nprimary_outputs: ${declared}\n---\n# Two\n${made}`, {}, { keep })).outcome
  const lost = await carriedOut('[a.txt, b.txt]')
  expect(lost.failure).toMatchObject({
    reason: 'missing_files',
    message: expect.stringContaining('b.txt is not kept: b.txt changed while it was read'),
  })
  expect(lost.results_files.map(({ name }) => name)).toEqual(['a.txt'])
  expect(await carriedOut('a.txt')).toMatchObject({ failure: null })
})

it('is not started, by that name, where its log or its folder cannot be made', async () => {
  const usual = process.env.TMPDIR
  const { failure } = await (async () => {
    process.env.TMPDIR = join(opened.dataDir, 'not there')
    try {
      return (await opened.carryOut(block('true'))).outcome
    } finally {
      if (usual === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = usual
    }
  })()
  expect(failure).toMatchObject({ reason: 'not_started', message: expect.stringContaining('log of the agent') })
  const sandboxes = join(opened.dataDir, 'sandboxes')
  renameSync(sandboxes, `${sandboxes}.away`)
  writeFileSync(sandboxes, '')
  try {
    const { outcome } = await opened.carryOut(block('true'))
    const { reason, hint } = outcome.failure ?? {}
    expect([reason, hint]).toEqual(['not_started', expect.stringContaining('JETTY_SANDBOX_DIR')])
  } finally {
    rmSync(sandboxes)
    renameSync(`${sandboxes}.away`, sandboxes)
  }
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
