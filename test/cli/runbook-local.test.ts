// Runbooks on this machine: the real command line, a real sandbox, no server, and no network where that can be taken away.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { findClosedPort } from '../closed-port.ts'
import { startFakeOpenAi } from '../fakes/openai.ts'
import type { Body } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

const examples = new URL('../../examples/runbooks/', import.meta.url)
const secret = 'apify-unmistakable-5b21c9'

let nobody: string
let shell: Shell

beforeAll(async () => {
  nobody = `http://127.0.0.1:${await findClosedPort()}`
})
beforeEach(() => {
  shell = openShell(nobody, 'mlc_there_is_no_server_here_at_all00')
})
afterEach(() => {
  expect(shell.seen()).not.toContain(secret)
  shell.close()
})

/** A runbook that does one thing, by `scripted`. */
const doing = (commands: string, front = ''): string =>
  shell.file('RUNBOOK.md', `---\nagent: scripted\n${front}---\n\n# Work\n\n\`\`\`sh\n${commands}\n\`\`\`\n`)

const run = (file: string, ...args: string[]) => shell.jetty(['runbook', 'run', file, '--local', ...args])

/** Command lines of processes that have this text in them. */
const alive = (text: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return line.includes(text) ? [line] : []
      } catch {
        return []
      }
    })

const example = (name: string): string => shell.file('RUNBOOK.md', readFileSync(new URL(name, examples), 'utf8'))

const result = (name: string) => readFileSync(join(shell.home, 'results', name), 'utf8')

const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0
const mayUnshare = spawnSync('unshare', ['--net', 'true']).status === 0

describe('jetty runbook run', () => {
  it.runIf(mayUnshare)('needs no server and no network', async () => {
    const file = example('sandbox-tour.md')
    const ended = await shell.jetty(['runbook', 'run', file, '--agent', 'scripted'], { under: ['unshare', '--net'] })
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('results/tour.md') })
    expect(ended.stderr).toMatch(/^completed .*RUNBOOK\.md$/m)
    expect(result('tour.md')).toContain('there is no route to the outside')
    expect(readdirSync(join(shell.home, 'results')).sort()).toEqual([
      'agent_scripted.txt',
      'summary.md',
      'tour.md',
      'validation_report.json',
    ])
  })

  it('lets the check decide, and repairs once: the second example', async () => {
    const ended = await run(example('order-totals.md'), '--agent', 'scripted', '--json')
    expect(ended.code).toBe(0)
    expect(ended.json()).toMatchObject({
      status: 'completed',
      success: true,
      failure: null,
      verification: { passed: true, kind: 'command', repair_rounds: 1 },
      results_folder: join(shell.home, 'results'),
    })
    expect(result('totals.csv')).toBe('customer,total\nada,220\nedsger,325\ngrace,100\n')
  })

  it('sends inputs along, fills variables as they were typed, and adds a prompt', async () => {
    shell.file('notes.txt', 'Tie up the boat.\n')
    const file = doing(
      'cp /app/uploads/notes.txt {{results_dir}}/copy.txt\nprintf "%s" "{{version}}" > {{results_dir}}/version',
    )
    const { code } = await run(file, '-f', 'notes.txt', '-p', 'version=1.50')
    expect([code, result('copy.txt'), result('version')]).toEqual([0, 'Tie up the boat.\n', '1.50'])
  })

  it('lists all that is missing, and starts nothing', async () => {
    const table = '| Parameter | Template Variable |\n| --- | --- |\n| A | `{{alpha}}` |\n| B | `{{beta}}` |\n'
    const text = `---\nagent: scripted\nsecrets: {apify: {env: APIFY_API_TOKEN}}\n---\n## Parameters\n\n${table}\n{{alpha}} {{beta}}\n`
    const ended = await run(shell.file('RUNBOOK.md', text), '-f', shell.file('in.txt', 'x'))
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    for (const part of ['alpha, beta', '-p alpha=… -p beta=…', 'export APIFY_API_TOKEN=…', '.env'])
      expect(ended.stderr).toContain(part)
    expect(existsSync(join(shell.home, 'results'))).toBe(false)
  })

  it.runIf(hasTerminal)('asks for all that is missing on a terminal, and does not show what a secret is', async () => {
    const table =
      '| Parameter | Template Variable | Description |\n| --- | --- | --- |\n| A | `{{alpha}}` | The first\u001b]0;owned\u0007 |\n| B | `{{beta}}` | |\n'
    const file = doing(
      `echo {{alpha}} {{beta}} "$(printf "%s" "$APIFY_API_TOKEN" | wc -c)" > {{results_dir}}/said\n\`\`\`\n\n## Parameters\n\n${table}\n\`\`\``,
      'secrets: {apify: {env: APIFY_API_TOKEN}}\n',
    )
    const typed = [
      ['alpha: The first\ufffd', 'one\r'],
      ['beta', 'two\r'],
      ['Value of APIFY_API_TOKEN', `${secret}\r`],
    ] as const
    const ended = await shell.jetty(['runbook', 'run', file, '--local'], { typed })
    expect([ended.code, result('said')]).toEqual([0, `one two ${secret.length}\n`])
    for (const line of ended.stdout.split('\n').filter((text) => text.includes('→')))
      expect(line.replace(/\r$/, '').split('\r').at(-1)?.replace('\u001b[2K', '').length).toBeLessThanOrEqual(80)
  })

  it.runIf(hasTerminal)('begins nothing where a question is not answered', async () => {
    const file = doing('echo {{alpha}}\n```\n\n## Parameters\n\n| Template Variable |\n| --- |\n| `{{alpha}}` |\n\n```')
    const ended = await shell.jetty(['runbook', 'run', file, '--local'], { typed: [['alpha', '\u0003']] })
    expect([ended.code, existsSync(join(shell.home, 'results'))]).toEqual([130, false])
  })

  it('finds secrets beside the runbook, and shows them to nobody but the agent', async () => {
    shell.file('.env', `APIFY_API_TOKEN=${secret}\nOPENAI_BASE_URL=http://127.0.0.1:9\n`)
    const show = 'printf "%s" "$APIFY_API_TOKEN" | wc -c > {{results_dir}}/length\necho "it is $APIFY_API_TOKEN"'
    const file = doing(
      `${show}\ncat /proc/*/cmdline | tr "\\0" " " > {{results_dir}}/lines`,
      'secrets: {apify: {env: APIFY_API_TOKEN}}\n',
    )
    const shown: string[] = []
    const looking = setInterval(() => shown.push(...alive(secret)), 20)
    const ended = await run(file, '--events')
    clearInterval(looking)
    expect(shown).toEqual([])
    expect([ended.code, result('length').trim()]).toEqual([0, String(secret.length)])
    expect(result('lines')).not.toContain(secret)
    expect(result('agent_scripted.txt')).not.toContain(secret)
    const events = ended.stdout
      .trim()
      .split('\n')
      .map((line): Body => JSON.parse(line))
    expect(events.find(({ type }) => type === 'tool_result').output).toContain('it is ***')
    expect(events.at(-1)).toMatchObject({ type: 'outcome', status: 'completed' })
  })

  it('asks models where the environment of this machine says, at a private address as well', async () => {
    const model = await startFakeOpenAi()
    try {
      const file = doing(
        'echo note > {{results_dir}}/note.txt',
        'verify: {judge: {model: gpt-4o, rubric: "5: good. 1: bad.", threshold: 4}}\n',
      )
      model.say('{"score": 5, "explanation": "good"}')
      const env = { OPENAI_API_KEY: secret, OPENAI_BASE_URL: model.url }
      const ended = await shell.jetty(['runbook', 'run', file, '--local'], { env })
      expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining('passed by a judge, score 5')])
      expect(model.asked).toHaveLength(1)
    } finally {
      await model.close()
    }
  })

  it('gives a secret for this time alone by its name, and refuses a value', async () => {
    const file = doing('test -n "$SLACK_TOKEN" && echo yes > {{results_dir}}/there')
    mkdirSync(join(shell.home, 'elsewhere'))
    const given = await shell.jetty(['runbook', 'run', file, '--secret', 'SLACK_TOKEN', '--results', 'elsewhere'], {
      env: { SLACK_TOKEN: secret },
    })
    expect([given.code, readFileSync(join(shell.home, 'elsewhere/there'), 'utf8')]).toEqual([0, 'yes\n'])
    const missing = await run(file, '--secret', 'SLACK_TOKEN')
    expect([missing.code, missing.stderr]).toEqual([
      2,
      expect.stringContaining('is neither an environment variable nor in .env'),
    ])
  })

  it('moves results of before aside, and writes over them only where it is told to', async () => {
    const file = doing('echo {{round}} > {{results_dir}}/round')
    await run(file, '-p', 'round=1')
    const second = await run(file, '-p', 'round=2')
    expect(second.stderr).toContain('The earlier contents of ./results were moved to results-1')
    expect([result('round'), readFileSync(join(shell.home, 'results-1/round'), 'utf8')]).toEqual(['2\n', '1\n'])
    writeFileSync(join(shell.home, 'results/mine'), 'stays')
    await run(file, '-p', 'round=3', '--force')
    expect([result('round'), result('mine'), existsSync(join(shell.home, 'results-2'))]).toEqual([
      '3\n',
      'stays',
      false,
    ])
  })

  it('ends with 1 where it did not succeed, says why, and keeps what was made', async () => {
    const failed = await run(doing('echo half > {{results_dir}}/half\nexit 7', 'primary_outputs: whole\n'), '--json')
    expect([failed.code, failed.json()]).toMatchObject([1, { status: 'failed', success: false, exit_code: 7 }])
    expect(failed.json().failure.reason).toBe('agent_failed')
    expect(result('half')).toBe('half\n')
    const lied = await run(doing('echo "all done"', 'primary_outputs: whole\n'))
    expect([lied.code, lied.stderr]).toEqual([1, expect.stringMatching(/^ {2}missing_files: .*whole/m)])
  })

  it('kills everything at Ctrl-C, and keeps what was made so far', async () => {
    const file = doing('echo first > {{results_dir}}/first\necho begun\nexec sleep 987654')
    const ended = await shell.jetty(['runbook', 'run', file], { interruptAt: '→ sh' })
    expect(ended.code).toBe(130)
    expect(ended.stderr).toMatch(/^cancelled /m)
    // A process that was killed may yet be seen for a moment; one that was not sleeps for days.
    await vi.waitFor(() => expect(alive('987654')).toEqual([]), 20_000)
    expect(readdirSync(join(shell.home, '.jetty/sandboxes')).filter((name) => name.startsWith('local-'))).toEqual([])
  })

  it('refuses what does not go together, and files that are not there', async () => {
    const file = doing('true')
    const wrong = async (...args: string[]) => {
      const ended = await shell.jetty(['runbook', 'run', file, ...args])
      expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: '' })
      return ended.stderr
    }
    expect(await wrong('--local', '--remote')).toContain('cannot be used with')
    expect(await wrong('--local', '-t', 'report')).toContain('cannot be used with')
    expect(await wrong('--detach')).toContain('--detach needs --remote')
    expect(await wrong('-f', 'nowhere.txt')).toContain('nowhere.txt cannot be sent')
    expect(await wrong('--memory', 'much')).toContain('--memory')
    expect(await wrong('--agent', 'claude')).toContain("There is no agent 'claude'")
    expect(await wrong('-p', 'subject')).toContain('Expected name=value')
    expect(await wrong('--sandbox', 'jail')).toContain('It is one of')
  })
})

describe('jetty runbook check', () => {
  it('is green or red, with what to do, and starts nothing', async () => {
    const file = example('sandbox-tour.md')
    const green = await shell.jetty(['runbook', 'check', file, '--agent', 'scripted'])
    expect([green.code, green.stderr]).toEqual([0, ''])
    expect(green.stdout).toMatch(/✓ sandbox .*bubblewrap/)
    expect(green.stdout).toContain('is ready to run')
    const red = await shell.jetty(['runbook', 'check', file, '--agent', 'claude-code', '--json'])
    expect(red.code).toBe(1)
    const keys = red.json().checks.filter(({ state }: Body) => state === 'failed')
    expect(keys).toEqual([
      expect.objectContaining({
        name: 'key',
        fix: expect.stringMatching(/^export ANTHROPIC_API_KEY=….*\.env.*--agent scripted/),
      }),
    ])
    expect(existsSync(join(shell.home, 'results'))).toBe(false)
  })
})
