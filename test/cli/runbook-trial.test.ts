// A runbook on keys that the server lends, by the real command line; what comes of it is said by the test.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeFakeRunbooks } from '../fakes/runbooks.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

const fake = makeFakeRunbooks()
let test: TestServer
let shell: Shell

beforeAll(async () => {
  test = await startTestServer({
    env: { JETTY_TRIAL_KEYS: 'ANTHROPIC_API_KEY', ANTHROPIC_API_KEY: 'an-lent-unmistakable-3f81' },
    runbooks: {
      ...fake,
      preflight: async (request, place) => ({
        ...(await fake.preflight(request, place)),
        agent: request.agent ?? 'codex',
      }),
    },
  })
  const made = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, made.body.api_key)
  shell.file('RUNBOOK.md', '# Work\n\nWrite something.\n')
  await test.call('POST', '/api/v1/trial/acme/activate')
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const run = (args: string[], env: Record<string, string> = {}) =>
  shell.jetty(['runbook', 'run', 'RUNBOOK.md', '-c', 'acme', '-t', 'work', ...args], { env })

it('is used where there is no key, and says what is left', async () => {
  const { code, stderr } = await run([])
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^Trial run 1\/\d+ -- \d+ minutes remaining$/m)])
})

it('is left alone by a run that brings a key, and by one that asks no model', async () => {
  const own = await run(['--secret', 'ANTHROPIC_API_KEY'], { ANTHROPIC_API_KEY: 'an-own-unmistakable-90cc' })
  const scripted = await run(['--agent', 'scripted'])
  for (const { code, stderr } of [own, scripted]) {
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('Trial run')])
  }
  expect((await test.call('GET', '/api/v1/trial/acme')).body.runs_used).toBe(1)
})
