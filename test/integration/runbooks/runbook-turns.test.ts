// Collections share the sandboxes of a process: one that asks for all of them leaves some to the others.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_SANDBOXES: '5', JETTY_SANDBOX_UID: '745000' } })
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
})
afterAll(() => jetty?.close())

const runbook = (script: string) => ({
  step_configs: {
    run: { activity: 'runbook', agent: 'scripted', instruction: `# Do\n\n\`\`\`sh\n${script}\n\`\`\`\n` },
  },
  steps: ['run'],
})

const start = async (collection: string, script: string): Promise<string> => {
  await jetty.call('POST', `/api/v1/tasks/${collection}`, { name: 'work', description: '', workflow: runbook(script) })
  return (await jetty.call('POST', `/api/v1/run/${collection}/work`, { init_params: {} })).body.trajectory_id
}

const statusOf = async (collection: string, id: string): Promise<Body> =>
  (await jetty.call('GET', `/api/v1/db/trajectory/${collection}/work/${id}`)).body

it('a collection whose runbooks hold their sandboxes for long does not keep another one from its own', async () => {
  const long = await Promise.all(Array.from({ length: 8 }, () => start('acme', 'sleep 4712')))
  const held = async () => {
    const runs = await Promise.all(long.map((id) => statusOf('acme', id)))
    const logs = runs.map((run) => JSON.stringify(run.steps.run?.logs ?? []))
    return [
      logs.filter((log) => log.includes('sleep 4712')).length,
      logs.filter((log) => log.includes('All sandboxes')).length,
    ]
  }
  await expect.poll(held).toEqual([4, 4])

  const id = await start('other', 'echo one > /app/results/one')
  await expect.poll(async () => (await statusOf('other', id)).status).toBe('completed')
  expect(await held()).toEqual([4, 4])

  const cancelled = Object.fromEntries(long.map((run) => [run, 'cancelled']))
  await jetty.call('POST', '/api/v1/trajectory/acme/work/statuses', cancelled)
  await expect
    .poll(async () => (await Promise.all(long.map((run) => statusOf('acme', run)))).every(({ ended }) => ended))
    .toBe(true)
})
