// Runbooks on a server, by the real command line: looked at, run, followed, fetched, and deployed as tasks.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { letGoOn, waitToGoOn } from '../sandbox-gate.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

const secret = 'apify-unmistakable-remote-77d0e2'

let test: TestServer
let shell: Shell

beforeAll(async () => {
  test = await startTestServer()
  test.leaks.remember('the secret of a runbook', secret)
  const made = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, made.body.api_key)
  shell.file('tour.md', readFileSync(new URL('../../examples/runbooks/sandbox-tour.md', import.meta.url), 'utf8'))
  shell.file(
    'leads.md',
    '---\nagent: scripted\nsecrets: {apify: {env: APIFY_API_TOKEN}}\nprimary_outputs: leads.txt\n---\n\n# Leads — Agent Runbook\n\n' +
      '## Parameters\n\n| Parameter | Template Variable | Default | Description |\n| --- | --- | --- | --- |\n' +
      '| City | `{{city}}` | | Where |\n| Country | `{{country}}` | England | Where that is |\n\nOf {{country}}.\n\n' +
      '```sh\nprintf "%s %s" "{{city}}" "$(printf "%s" "$APIFY_API_TOKEN" | wc -c)" > {{results_dir}}/leads.txt\necho "token $APIFY_API_TOKEN"\n```\n',
  )
})
afterAll(async () => {
  expect(shell.seen()).not.toContain(secret)
  shell?.close()
  await test?.close()
})

const result = (name: string) => readFileSync(join(shell.home, 'results', name), 'utf8')
const jetty = (...args: string[]) => shell.jetty(['runbook', ...args])
const length = String(secret.length)

describe('jetty runbook run --remote', () => {
  it('shows what is done, fetches what was made, and ends with 0', async () => {
    const ended = await jetty(
      'run',
      'tour.md',
      '-c',
      'acme',
      '-t',
      'tour',
      '--agent',
      'scripted',
      '-p',
      'programs=sh awk',
    )
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('results/tour.md') })
    for (const part of ['working', '→ sh', 'This is the scripted agent', '✓ 1/1 run'])
      expect(ended.stderr).toContain(part)
    expect(ended.stderr).toMatch(/^completed acme\/tour\/[0-9a-f]{8}$/m)
    expect(result('tour.md')).toContain('- awk: ')
    expect(result('agent_scripted.txt')).toContain('"type":"end"')
    const task = (await test.call('GET', '/api/v1/tasks/acme/tour')).body
    expect(task).toMatchObject({ has_file_uploads: true, is_chat_flow: true })
  })

  it('takes the only collection of the token, asks for nothing without a terminal, and starts nothing it cannot end', async () => {
    const unnamed = await jetty('run', 'tour.md', '--remote', '--agent', 'scripted')
    expect([unnamed.code, unnamed.stderr]).toEqual([2, expect.stringContaining('-t a-tour-of-the-sandbox')])
    const missing = await jetty('run', 'leads.md', '--remote', '-t', 'leads')
    expect([missing.code, missing.stdout]).toEqual([2, ''])
    for (const part of ['APIFY_API_TOKEN', 'jetty env set acme APIFY_API_TOKEN', '-p city=…']) {
      expect(missing.stderr).toContain(part)
    }
    expect((await test.call('GET', '/api/v1/tasks/acme/leads')).status).toBe(404)
  })

  it('sends inputs and a secret for this run alone; the outcome is JSON', async () => {
    shell.file('notes.txt', 'Tie up the boat.')
    const file = shell.file(
      'copy.md',
      '---\nagent: scripted\n---\n```sh\ncat /app/uploads/notes.txt > {{results_dir}}/copy\ntest -n "$APIFY_API_TOKEN"\n```\n',
    )
    const args = ['runbook', 'run', file, '-c', 'acme', '-t', 'copy', '-f', 'notes.txt', '--secret', 'APIFY_API_TOKEN']
    const ended = await shell.jetty([...args, '--json'], { env: { APIFY_API_TOKEN: secret } })
    expect([ended.code, result('copy')]).toEqual([0, 'Tie up the boat.'])
    expect(ended.json()).toMatchObject({ status: 'completed', results_folder: join(shell.home, 'results') })
    const { code, stdout } = await shell.jetty([...args, '--events'], { env: { APIFY_API_TOKEN: secret } })
    const events = stdout
      .trim()
      .split('\n')
      .map((line): Body => JSON.parse(line))
    expect([code, events.at(-1)]).toMatchObject([0, { type: 'outcome', status: 'completed' }])
    expect(events.filter(({ type }) => type === 'tool_call')).toHaveLength(1)
  })

  it('ends with 1 where the server says that it failed, and names the reason', async () => {
    const file = shell.file('lie.md', '---\nagent: scripted\nprimary_outputs: whole\n---\n```sh\necho done\n```\n')
    const ended = await jetty('run', file, '-c', 'acme', '-t', 'lie')
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^failed acme\/lie\//m)
    expect(ended.stderr).toMatch(/^ {2}missing_files: .*whole/m)
    expect(result('agent_scripted.txt')).toContain('"type":"end"')
  })

  it('detaches, and leaves a run that is watched alone at Ctrl-C', async () => {
    const file = shell.file(
      'slow.md',
      `---\nagent: scripted\n---\n\`\`\`sh\n${waitToGoOn}\necho over > {{results_dir}}/over\n\`\`\`\n`,
    )
    const over = async (id: string) => {
      const ended = await test.until('slow', id, (run) => {
        letGoOn(test.dataDir)
        return run.ended !== null
      })
      expect(ended.status).toBe('completed')
    }
    const detached = await jetty('run', file, '-c', 'acme', '-t', 'slow', '--detach')
    expect(detached).toMatchObject({ code: 0, stdout: expect.stringMatching(/^acme\/slow\/[0-9a-f]{8}\n$/) })
    await over(detached.stdout.trim().split('/').at(-1) ?? '')
    const watched = await shell.jetty(['runbook', 'run', file, '-c', 'acme', '-t', 'slow'], { interruptAt: '→ sh' })
    expect(watched.code).toBe(130)
    expect(watched.stderr).toContain('jetty runs watch acme/slow/')
    const { trajectories } = (await test.call('GET', '/api/v1/db/trajectories/acme/slow')).body
    expect(trajectories).toHaveLength(2)
    expect(trajectories[0]).toMatchObject({ ended: null })
    await over(trajectories[0].trajectory_id)
  })
})

describe('jetty runbook check --collection', () => {
  it('looks with the keys and secrets of the collection', async () => {
    const red = await jetty('check', 'leads.md', '--collection', 'acme', '--json')
    expect([red.code, red.json()]).toMatchObject([
      1,
      { ready: false, missing_secrets: ['APIFY_API_TOKEN'], missing_variables: ['city'] },
    ])
    const green = await jetty('check', 'leads.md', '-c', 'acme', '-p', 'city=Whitby', '--secret', 'APIFY_API_TOKEN')
    expect([green.code, green.stdout]).toEqual([0, expect.stringContaining('leads.md is ready to run')])
    expect((await jetty('check', 'leads.md', '-c', 'nowhere')).code).toBe(2)
  })
})

describe('jetty runbook deploy', () => {
  it('stops where a secret is missing, sets one by its name, and keeps parameters that are none', async () => {
    const stopped = await jetty('deploy', 'leads.md', 'acme/leads')
    expect([stopped.code, stopped.stdout]).toEqual([2, ''])
    expect(stopped.stderr).toContain('Not configured: APIFY_API_TOKEN')
    expect(stopped.stderr).toContain('in the collection: --set-secret APIFY_API_TOKEN')
    expect(stopped.stderr).toContain('The runbook was not deployed')
    expect((await test.call('GET', '/api/v1/tasks/acme/leads')).status).toBe(404)
    const told = await jetty('deploy', 'leads.md', 'acme/leads', '-p', 'apify=x')
    expect([told.code, told.stderr]).toEqual([2, expect.stringContaining('is a secret of the runbook')])
    expect((await jetty('deploy', 'leads.md', 'acme/leads', '--set-secret', `APIFY_API_TOKEN=x`)).code).toBe(2)

    const args = ['runbook', 'deploy', 'leads.md', 'acme/leads', '--set-secret', 'APIFY_API_TOKEN']
    const made = await shell.jetty(args, { env: { APIFY_API_TOKEN: secret } })
    expect(made).toMatchObject({ code: 0, stdout: 'created acme/leads\n' })
    expect(made.stderr).toContain('jetty run acme/leads --follow -p vars.city=…')
    expect(made.stderr).not.toContain('vars.country') // which has a default
    const unfilled = await shell.jetty(['run', 'acme/leads', '--wait'])
    expect([unfilled.code === 0, unfilled.stderr]).toEqual([
      false,
      expect.stringMatching(/No value for city\. Give values with -p vars\.city=…\. Or write a default/),
    ])
    expect(unfilled.stderr.match(/-p vars\.city/g)).toHaveLength(1)
    const { workflow } = (await test.call('GET', '/api/v1/tasks/acme/leads')).body
    expect(workflow.init_params).toMatchObject({ vars: {}, file_paths: [], agent: null })
    expect(JSON.stringify(workflow)).not.toContain(secret)

    const again = await jetty('deploy', 'leads.md', 'acme/leads', '-p', 'city=Whitby', '--timeout', '60')
    expect(again).toMatchObject({ code: 0, stdout: 'updated acme/leads\n' })
    expect((await jetty('deploy', 'leads.md', 'acme/leads', '-p', 'city=Whitby', '--timeout', '60')).stdout).toBe(
      'unchanged acme/leads\n',
    )
    const stored = (await test.call('GET', '/api/v1/tasks/acme/leads')).body.workflow
    expect(stored.step_configs.run).toMatchObject({ activity: 'runbook', timeout_sec: 60 })
  })

  it('and the task runs, with its own parameters and with those of a run', async () => {
    const run = async (...args: string[]) => {
      const ended = await shell.jetty(['run', 'acme/leads', '--wait', '--json', ...args])
      expect(ended.code).toBe(0)
      const { outputs } = ended.json().steps.run
      const path = outputs.primary_files[0]
      return (await shell.jetty(['files', 'down', path, '-o', '-'])).stdout
    }
    expect(await run()).toBe(`Whitby ${length}`)
    expect(await run('-p', 'vars.city=Hull')).toBe(`Hull ${length}`)
  })
})
