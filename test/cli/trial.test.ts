import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

const lent = 'sk-lent-unmistakable-c05d1e77'

let fake: FakeOpenAi
let test: TestServer
let shell: Shell

beforeAll(async () => {
  fake = await startFakeOpenAi()
  test = await startTestServer({
    env: {
      JETTY_TRIAL_KEYS: 'OPENAI_API_KEY',
      JETTY_TRIAL_RUNS: '4',
      OPENAI_API_KEY: lent,
      OPENAI_BASE_URL: fake.url,
    },
  })
  const made = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, made.body.api_key)
  await test.call('POST', '/api/v1/tasks/acme', {
    name: 'ask',
    workflow: {
      step_configs: { ask: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' } },
      steps: ['ask'],
    },
  })
})
afterAll(async () => {
  expect(shell.seen()).not.toContain(lent)
  shell?.close()
  await test?.close()
  await fake?.close()
})

const runsUsed = async () => (await test.call('GET', '/api/v1/trial/acme')).body.runs_used

describe('a trial', () => {
  it('is shown, and begun', async () => {
    const before = await shell.jetty(['trial', 'show', 'acme'])
    expect(before).toMatchObject({ code: 0, stdout: expect.stringMatching(/^status +inactive\n/) })
    expect(before.stderr).toBe('Start the trial with: jetty trial activate acme\n')
    const activated = await shell.jetty(['trial', 'activate', 'acme'])
    expect(activated).toMatchObject({ code: 0, stderr: '' })
    expect(activated.stdout).toMatch(
      /status +active\nruns +0 of 4 used, 4 remaining\nminutes +0 of 60 used, 60 remaining/,
    )
    expect(activated.stdout).toMatch(/lends +OPENAI_API_KEY\n$/)
    const shown = (await shell.jetty(['trial', 'show', 'acme', '--json'])).json()
    expect(shown).toMatchObject({ active: true, runs_limit: 4, providers: ['OPENAI_API_KEY'] })
  })

  it('is used by a run as long as there is no key of its own, and says what is left', async () => {
    const first = await shell.jetty(['run', 'acme/ask', '--wait'])
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining('You said: Hi')])
    expect(first.stderr).toContain('Trial run 1/4 -- 60 minutes remaining\n')
    expect(first.stderr).not.toContain('nearly used up')
    const second = await shell.jetty(['run', 'acme/ask'])
    expect(second.stderr).toContain(
      'Trial run 2/4 -- 60 minutes remaining\nThe trial is nearly used up: add a key of your own with jetty env set',
    )
    expect(await runsUsed()).toBe(2)
  })

  it('is used by a question to a model, and not by one that needs no key', async () => {
    const asked = await shell.jetty(['chat', '-m', 'scripted/echo', 'Hi'])
    expect([asked.code, asked.stderr]).toEqual([0, expect.not.stringContaining('trial')])
    fake.script({ headers: eventStreamType, body: eventStream('gpt-4o-mini', 'Good day') })
    const lentKey = await shell.jetty(['chat', '-m', 'gpt-4o-mini', 'Hi'])
    expect([lentKey.code, lentKey.stdout]).toEqual([0, 'Good day\n'])
    expect(lentKey.stderr).toMatch(/ · trial: 1 runs, 60 minutes remaining\n$/)
    expect(await runsUsed()).toBe(3)
  })

  it('is left alone by a run that brings a key, and where the collection has one', async () => {
    const secret = await shell.jetty(['run', 'acme/ask', '--secret', 'GEMINI_API_KEY'], {
      env: { GEMINI_API_KEY: 'gm-own-unmistakable-1' },
    })
    expect(secret.stderr).not.toContain('Trial run')
    await shell.jetty(['env', 'set', 'acme', 'ANTHROPIC_API_KEY'], { stdin: 'an-own-unmistakable-2' })
    expect((await shell.jetty(['run', 'acme/ask'])).stderr).not.toContain('Trial run')
    await shell.jetty(['env', 'rm', 'acme', 'ANTHROPIC_API_KEY'])
    expect(await runsUsed()).toBe(3)
  })

  it('that is used up is not used: what is missing is said by the run', async () => {
    expect((await shell.jetty(['run', 'acme/ask'])).stderr).toContain('Trial run 4/4 -- ')
    expect((await shell.jetty(['trial', 'show', 'acme'])).stdout).toMatch(/^status +exhausted\n/)
    expect((await shell.jetty(['trial', 'activate', 'acme'])).stderr).toMatch(/Trial already used[\s\S]*OPENAI_API_KEY/)
    const failed = await shell.jetty(['run', 'acme/ask', '--wait'])
    expect(failed.code).toBeGreaterThan(0)
    expect(failed.stderr).toContain('set OPENAI_API_KEY')
  })
})
