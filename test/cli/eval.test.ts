import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { answerAndJudge, answering, judges, modelKey, questions } from '../integration/fan-out/evaluating.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let openai: FakeOpenAi
let test: TestServer
let shell: Shell
let judgesFile: string
let items: string

beforeAll(async () => {
  openai = await startFakeOpenAi()
  answerAndJudge(openai)
  test = await startTestServer({ env: { OPENAI_BASE_URL: openai.url } })
  await test.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: modelKey },
  })
  await test.call('POST', '/api/v1/tasks/acme', { name: 'answer', workflow: answering('carefully') })
  const key = (await test.call('POST', '/api/v1/api-keys', { name: 'ci', collection_name: 'acme' })).body.api_key
  shell = openShell(test.url, key)
  judgesFile = shell.file('judges.json', JSON.stringify(judges))
  items = shell.file('questions.jsonl', questions.map((one) => JSON.stringify(one)).join('\n'))
})

afterAll(async () => {
  shell?.close()
  await test?.close()
  await openai?.close()
})

const evaluate = (...args: string[]) =>
  shell.jetty(['eval', 'acme/answer', items, '--judges', judgesFile, '--max-concurrency', '40', ...args])

it('keeps its thresholds: 0; against that, what got worse is named and the exit code is 1', async () => {
  const good = await evaluate('--threshold', 'clarity=7.5', '--baseline', 'latest', '--max-worse', 'clarity=0')
  expect(good).toMatchObject({ code: 0 })
  expect(good.stdout).toMatch(/clarity +8 +8 to 8 +40 +0/)
  expect(good.stdout).toContain('✓ clarity max_worse: there is no baseline yet')

  await test.call('PUT', '/api/v1/tasks/acme/answer', { workflow: answering('hastily') })
  const bad = await evaluate('--baseline', 'latest', '--max-worse', 'clarity=1', '--max-failed', 'clarity=1')
  expect(bad).toMatchObject({ code: 1 })
  expect(bad.stdout).toContain('✗ clarity max_worse: 2 of 39 items are worse; at most 1 are allowed')
  expect(bad.stdout).toContain('39 completed, 1 failed')
  expect(bad.stdout).toMatch(/Without a verdict\nITEM .*\nq12 +- +[0-9a-f]{8} +Step '\w+' failed: /)
  const named = [...bad.stdout.matchAll(/^(q\d+) +(\w+)/gm)].map(([, item, judge]) => `${item} ${judge}`).sort()
  expect(named).toEqual(['q12 failed', 'q19 clarity', 'q33 polite', 'q7 clarity'])

  const list = (await shell.jetty(['eval', 'ls', 'acme/answer', '--json'])).json()
  expect(list).toHaveLength(2)
  const again = await shell.jetty(['eval', 'get', `acme/${list[0].evaluation_id}`, '--follow', '--json'])
  expect(again).toMatchObject({ code: 1 })
  expect(again.json()).toMatchObject({ passed: false, baseline: list[1].evaluation_id, items_total: 40 })
  expect((await shell.jetty(['eval', 'get', `acme/${list[0].evaluation_id}`])).code).toBe(0)
})

it('only starts it, from stdin, and says how to go on; what is wrong is said before anything is asked', async () => {
  const stdin = '{"question": "Question 1?"}\n{"question": "Question 2?"}\n'
  const args = ['eval', 'run', 'acme/answer', '-', '--judges', judgesFile, '--no-wait']
  const started = await shell.jetty(args, { stdin })
  expect(started).toMatchObject({ code: 0 })
  expect(started.stderr).toContain(`jetty eval get ${started.stdout.trim()} --follow`)
  expect(await shell.jetty(['eval', 'get', started.stdout.trim(), '--follow'])).toMatchObject({ code: 0 })
  expect(await shell.jetty(['eval', 'cancel', started.stdout.trim()])).toMatchObject({ code: 0, stdout: 'completed\n' })

  const before = openai.asked.length
  for (const wrong of [
    await evaluate('--threshold', 'clarity'),
    await evaluate('--threshold', 'nobody=1'),
    await evaluate('--baseline', 'ffffffff'),
    await shell.jetty(args, { stdin: 'no json' }),
    await shell.jetty(['eval', 'get', 'acme']),
    await shell.jetty(['eval', 'get', 'acme/ffffffff']),
  ]) {
    expect(wrong).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^jetty: \S/) })
  }
  expect(openai.asked.length).toBe(before)
})
