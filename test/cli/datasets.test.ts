// Items from a file and from a run, a batch over them, and what is stale afterwards.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let jetty: TestServer
let shell: Shell
beforeAll(async () => {
  jetty = await startTestServer()
  const key = await jetty.call('POST', '/api/v1/api-keys', { name: 'writer', collection_name: 'acme' })
  shell = openShell(jetty.url, key.body.api_key)
  const workflow = { step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] }
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'answer', workflow })
})
afterAll(async () => {
  shell?.close()
  await jetty?.close()
})

const said = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await shell.jetty(args)
  if (code !== 0) throw new Error(`jetty ${args.join(' ')}: ${code} ${stderr}`)
  return stdout.trim()
}

it('items come from a file and from a run, and a batch runs what changed', async () => {
  expect(await said('datasets', 'create', 'acme/qa', '-d', 'Questions')).toBe('acme/qa')
  const file = shell.file('qa.csv', 'id,question,expected\na,Why?,Because\nb,How?,So\n')
  expect(await said('datasets', 'import', 'acme/qa', file)).toBe(
    'Version ~1 has 2 items: 2 added, 0 changed, 0 removed, 0 unchanged',
  )
  const { body } = await jetty.call('POST', '/api/v1/run-sync/acme/answer', { init_params: { question: 'Who?' } })
  const added = await said(
    'datasets',
    'add',
    'acme/qa',
    `acme/answer/${body.trajectory_id}`,
    '--correction',
    'me',
    '--id',
    'c',
  )
  expect(added).toBe('c\nVersion ~2 has 3 items: 1 added, 0 changed, 0 removed, 0 unchanged')
  expect(await said('datasets', 'items', 'acme/qa')).toContain('{"question":"Who?","expected":"me"}')
  expect(await said('datasets', 'tag', 'acme/qa', 'gold', '--at', '~1')).toBe('gold is version ~1')

  const target = shell.file('out.jsonl', '')
  expect(await said('datasets', 'export', 'acme/qa', '--at', 'gold', '-o', target, '--force')).toBe(target)
  expect(readFileSync(target, 'utf8')).toBe(
    '{"id":"a","question":"Why?","expected":"Because"}\n{"id":"b","question":"How?","expected":"So"}\n',
  )
  await said('batch', 'run', 'acme/answer', 'dataset:qa@gold')
  const stale = JSON.parse(await said('datasets', 'results', 'acme/qa', 'answer', '--state', 'stale', '--json'))
  expect(stale.counts).toEqual({ fresh: 2, missing: 1 })
  const again = JSON.parse(await said('batch', 'run', 'acme/answer', 'dataset:qa', '--changed-only', '--json'))
  expect(again).toMatchObject({ total: 1, dataset: { reused: 2 } })

  expect(await said('datasets', 'upload', 'acme/qa', file)).toBe('acme/_datasets/qa/data.000000.csv')
  expect(await said('datasets', 'get', 'acme/qa')).toContain('data.000000.csv')
  expect(await said('datasets', 'ls', 'acme')).toContain('Questions')
  expect(await said('dataset', 'rm', 'acme/qa', '--yes')).toBe('Deleted acme/qa')
})
