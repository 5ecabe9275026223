import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

const secret = 'sk-unmistakable-cli-rerun-a60e15'

let test: TestServer
let shell: Shell
beforeAll(async () => {
  test = await startTestServer()
  const { body } = await test.call('POST', '/api/v1/api-keys', { name: 'newcomer', collection_name: 'acme' })
  shell = openShell(test.url, body.api_key)
})
afterAll(async () => {
  shell?.close()
  await test?.close()
})

const workflow = (prompt = 'Say {{echo.outputs.text}}', more = {}) => ({
  init_params: { text: 'hello', deep: { a: 1, b: 2 } },
  step_configs: {
    echo: { activity: 'text_echo', text_path: 'init_params.text' },
    ask: { activity: 'litellm_chat', model: 'scripted/echo', prompt },
    end: {
      activity: 'text_template',
      template: '{{ask.outputs.text}} {{init_params.deep.a}} {{init_params.deep.b}}',
      ...more,
    },
  },
  steps: ['echo', 'ask', 'end'],
})

describe('jetty rerun', () => {
  it('runs again from a step, with other parameters, and prints what came out', async () => {
    const run = await test.run(workflow())
    const place = `acme/${run.task}/${run.trajectory_id}`
    const { code, stdout, stderr } = await shell.jetty(['rerun', place, '--from', 'end', '-p', 'deep.b=3', '--wait'])
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { text: expect.stringMatching(/ 1 3$/) }])
    expect(stderr).toContain('3/3 end')
    const newest = await shell.jetty(['rerun', `acme/${run.task}`, '--json'])
    expect(JSON.parse(newest.stdout)).toMatchObject({ message: 'Workflow started' })
  })

  it('takes the current version, sends secrets, and says in words what cannot be', async () => {
    const run = await test.run(workflow('Say {{echo.outputs.text}}', { key_path: 'env.CLI_TOKEN' }), {
      secret_params: { CLI_TOKEN: secret },
    })
    const place = `acme/${run.task}/${run.trajectory_id}`
    const refused = await shell.jetty(['rerun', place, '--from', 'end'])
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toContain('reads CLI_TOKEN')
    const sent = await shell.jetty(['rerun', place, '--from', 'end', '--secret', 'CLI_TOKEN', '--wait'], {
      env: { CLI_TOKEN: secret },
    })
    expect(sent.code).toBe(0)
    const current = await shell.jetty(['rerun', place, '--from', 'nothing', '--current'])
    expect([current.code, current.stderr]).toEqual([2, expect.stringContaining("no step 'nothing'")])
  })
})

describe('jetty replay', () => {
  it('ends with 0 where it is the recording, and with 1 at the first difference', async () => {
    const run = await test.run(workflow())
    const place = `acme/${run.task}/${run.trajectory_id}`
    expect(await shell.jetty(['replay', place])).toMatchObject({ code: 0, stdout: 'identical\n' })
    await test.call('PUT', `/api/v1/tasks/acme/${run.task}`, { workflow: workflow('Sing {{echo.outputs.text}}') })
    expect(await shell.jetty(['replay', place])).toMatchObject({ code: 0, stdout: 'identical\n' })
    const changed = await shell.jetty(['replay', place, '--current'])
    expect(changed.code).toBe(1)
    expect(changed.stdout).toContain("differs first at step ask: parameter 'prompt' differs from run")
    expect(changed.stdout).toContain('-Say hello')
    expect(changed.stdout).toContain('+Sing hello')
    const json = await shell.jetty(['replay', place, '-p', 'text=bye', '--json'])
    expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
      1,
      { of: run.trajectory_id, identical: false, divergence: { step: 'echo', path: 'text' } },
    ])
  })
})
