import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let test: TestServer
let shell: Shell

beforeAll(async () => {
  test = await startTestServer()
  const key = await test.call('POST', '/api/v1/api-keys', { name: 'boss', collection_name: 'acme' })
  shell = openShell(test.url, key.body.api_key)
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const ask = { activity: 'wait_for_approval', message: 'May it go?', assignees: ['ann'] }

const waiting = async (steps: string[] = ['gate']): Promise<{ task: string; id: string }> => {
  const step_configs = Object.fromEntries(steps.map((name) => [name, ask]))
  const task = await test.task({ step_configs, steps })
  const { trajectory_id: id } = await test.start(task)
  await test.until(task, id, (run) => run.steps[steps[0] ?? '']?.status === 'running')
  return { task, id }
}

it('lists what waits, and approves it with a comment', async () => {
  const { task, id } = await waiting()
  const listed = await shell.jetty(['approvals', 'acme'])
  expect(listed.code).toBe(0)
  expect(listed.stdout).toMatch(new RegExp(`acme/${task}/${id} +gate .* ann +May it go\\?`))
  const approved = await shell.jetty(['approve', `acme/${task}`, '--comment', 'fine'])
  expect(approved).toMatchObject({ code: 0, stderr: '' })
  expect(approved.stdout).toMatch(/decision +approve\nby +api-key:boss\ncomment +fine/)
  const ended = await test.until(task, id, (run) => run.ended !== null)
  expect(ended.steps.gate.outputs).toMatchObject({ decision: 'approve', comment: 'fine' })
  expect((await shell.jetty(['approvals', 'acme', '--json'])).json()).toEqual([])
})

it('rejects, and tells whoever comes later of the first decision', async () => {
  const { task, id } = await waiting()
  const rejected = await shell.jetty(['approve', `acme/${task}/${id}`, 'gate', '--reject', '-m', 'no', '--json'])
  expect(rejected.json()).toMatchObject({ trajectory_id: id, step: 'gate', decision: 'reject', comment: 'no' })
  const late = await shell.jetty(['approve', `acme/${task}/${id}`, 'gate'])
  expect(late.code).toBe(2)
  expect(late.stderr).toContain("Step 'gate' was already decided: reject, by api-key:boss")
  await test.until(task, id, (run) => run.ended !== null)
  const none = await shell.jetty(['approve', `acme/${task}/${id}`])
  expect(none.code).toBe(2)
  expect(none.stderr).toContain('does not wait for a decision: it is failed')
})

it('shows a wait to whoever waits for the run', async () => {
  const task = await test.task({ step_configs: { gate: ask }, steps: ['gate'] })
  const approve = async () => {
    const [{ trajectory_id: id }] = (await test.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.trajectories
    const path = `/api/v1/trajectory/acme/${task}/${id}/steps/gate/approval`
    await test.call('POST', path, { decision: 'approve' })
  }
  const ended = await shell.jetty(['run', `acme/${task}`, '--wait'], { when: ['decide with: ', approve] })
  expect(ended.code).toBe(0)
  expect(ended.stderr).toContain("Step 'gate' waits for a decision: May it go?")
  expect(ended.stderr).toContain(`decide with: jetty approve acme/${task}/`)
})

it('diff shows what is not the same, and says so with its exit code', async () => {
  const task = await test.task({
    init_params: { text: 'one' },
    step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } },
    steps: ['say'],
  })
  const run = async (text: string) =>
    (await test.call('POST', `/api/v1/run-sync/acme/${task}`, { init_params: { text } })).body.trajectory_id
  const [one, two, again] = [await run('one'), await run('two'), await run('one')]
  const different = await shell.jetty(['diff', `acme/${task}/${one}`, two])
  expect(different.code).toBe(1)
  expect(different.stdout).toContain(`--- acme/${task}/${one}\n+++ acme/${task}/${two}`)
  expect(different.stdout).toMatch(/step say\n(.*\n)* {2}inputs\n(.*\n)* +- {2}"text": "one"\n +\+ {2}"text": "two"/)
  expect(different.stdout).toContain('1 of 1 steps differ.')
  const same = await shell.jetty(['diff', `acme/${task}/${one}`, `acme/${task}/${again}`])
  expect(same).toMatchObject({ code: 0 })
  expect(same.stdout).toContain('No differences.')
  const json = await shell.jetty(['diff', `acme/${task}/${one}`, `${test.url}/acme/${task}/${two}`, '--json'])
  expect(json.code).toBe(1)
  expect(json.json()).toMatchObject({ same: false, steps: [{ step: 'say', same: false }] })
  const elsewhere = await shell.jetty(['diff', `acme/${task}/${one}`, `other/${task}/${two}`])
  expect(elsewhere.code).toBe(2)
  expect(elsewhere.stderr).toContain('The runs belong to different collections: acme and other')
})
