// The evaluation of docs/evaluations.md as a newcomer types it: the examples, the collection of the first start, no key.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { demoTasks } from '../../src/server/demo/first-start.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell
beforeAll(async () => {
  test = await startTestServer()
  for (const task of demoTasks) await test.call('POST', '/api/v1/tasks/acme', task)
  const key = (await test.call('POST', '/api/v1/api-keys', { name: 'ci', collection_name: 'acme' })).body.api_key
  shell = openShell(test.url, key)
  for (const name of ['greetings.jsonl', 'judges.json'])
    shell.file(name, readFileSync(new URL(`../../examples/evaluation/${name}`, import.meta.url), 'utf8'))
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

it('judges without a key, and an item that is not as expected is found', async () => {
  const args = ['eval', 'acme/hello', 'greetings.jsonl', '--judges', 'judges.json']
  const ended = await shell.jetty([...args, '--threshold', 'right=0.5'])
  expect([ended.code, ended.stdout]).toEqual([0, expect.stringMatching(/items +3 completed/)])
  expect(ended.stdout).toMatch(/right +0\.667 /)
  expect(ended.stdout).toMatch(/warmth +3 /)
  expect(ended.stdout).toContain('✓ right min_mean')
  const wrong = await shell.jetty(['runs', 'ls', 'acme/hello', '--label', 'right:no', '--json'])
  expect(wrong.json()).toHaveLength(1)
  expect(await shell.jetty([...args, '--threshold', 'right=0.9'])).toMatchObject({ code: 1 })
})
