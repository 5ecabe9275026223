import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'

let jetty: TestServer
let task: string
beforeAll(async () => {
  jetty = await startTestServer()
  task = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'x' } }, steps: ['say'] })
})
afterAll(() => jetty?.close())

const set = (environment_variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })

const run = (route: string, fields: Record<string, unknown>) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, String(value))
  return jetty.call('POST', `/api/v1/${route}/acme/${task}`, form)
}

const countRuns = async () => (await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.total

test('a run that asks for trial keys is refused where the collection has no provider key of its own', async () => {
  await set({ SLACK_TOKEN: 'x', MY_OPENAI_API_KEY: 'x' })
  for (const route of ['run', 'run-sync']) {
    for (const flag of ['true', '1', 'YES', 'on']) {
      const answer = await run(route, { use_trial_keys: flag })
      expect([flag, answer.status, answer.body.detail]).toEqual([flag, 403, 'Trial is not active for this collection'])
    }
    const answer = await run(route, { use_trial_keys: 'maybe' })
    expect([answer.status, answer.body.detail[0].loc]).toEqual([422, ['body', 'use_trial_keys']])
  }
  expect(await countRuns()).toBe(0)
})

test('the flag is ignored where the collection has one', async () => {
  for (const name of [
    'OPENROUTER_API_KEY',
    'OPENAI_API_KEY',
    'ANTHROPIC_API_KEY',
    'GEMINI_API_KEY',
    'GOOGLE_API_KEY',
    'REPLICATE_API_TOKEN',
    'AWS_BEARER_TOKEN_BEDROCK',
  ]) {
    await set({ [name]: 'a key' })
    for (const route of ['run', 'run-sync']) {
      const answer = await run(route, { use_trial_keys: true })
      expect([name, answer.status]).toEqual([name, 200])
      if (route === 'run') expect(answer.body).not.toHaveProperty('trial')
      else expect(answer.body).toMatchObject({ status: 'completed', trial: null })
    }
    await set({ [name]: null })
    expect((await run('run', { use_trial_keys: true })).status).toBe(403)
  }
  expect(await countRuns()).toBe(14)
})

test('without the flag nothing is asked of the collection', async () => {
  for (const flag of ['false', '0', 'no', 'OFF', ''])
    expect((await run('run', { use_trial_keys: flag })).status).toBe(200)
})
