// A run is cancelled at whatever its runbook is at: it ends within a moment, and nothing of its sandbox is left.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FakeS3, startFakeS3 } from '../../fakes/s3.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const many = 500

let storage: FakeS3
let jetty: TestServer
beforeAll(async () => {
  storage = await startFakeS3()
  jetty = await startTestServer({ env: { ...storage.env, JETTY_SANDBOXES: '1', JETTY_SANDBOX_UID: '735000' } })
})
afterAll(async () => {
  await jetty?.close()
  await storage?.close()
})
afterEach(async () => {
  expect(await readdir(join(jetty.dataDir, 'sandboxes'))).toEqual([])
})

const runbook = (script: string, verify?: string) => ({
  step_configs: {
    run: {
      activity: 'runbook',
      agent: 'scripted',
      instruction: `${verify ? `---\nverify: ${verify}\n---\n` : ''}# Do\n\n\`\`\`sh\n${script}\n\`\`\`\n`,
    },
  },
  steps: ['run'],
})
const begin = async (workflow: Body) => {
  const task = await jetty.task(workflow)
  return { task, id: (await jetty.start(task)).trajectory_id as string }
}
const logsOf = (run: Body): Body[] => run.steps.run?.logs ?? []
const says = (text: string) => (run: Body) => logsOf(run).some(({ message }) => message.includes(text))

/** Cancels it, and gives how it stands once it has ended. */
const cancel = async ({ task, id }: { task: string; id: string }) => {
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  const run = await jetty.until(task, id, ({ ended }) => ended !== null)
  expect(run).toMatchObject({ status: 'cancelled', steps: { run: { status: 'cancelled' } } })
  return run
}

describe('cancelled', () => {
  it('while it waits for a place, and while its agent works', async () => {
    const first = await begin(runbook('echo half > /app/results/half; sleep 4711'))
    await jetty.until(first.task, first.id, says('sleep 4711'))
    const second = await begin(runbook('echo never > /app/results/never'))
    await jetty.until(second.task, second.id, says('All sandboxes'))
    expect((await cancel(second)).steps.run.outputs).toMatchObject({ failure_reason: 'cancelled', files: [] })
    const { outputs } = (await cancel(first)).steps.run
    expect(outputs).toMatchObject({ failure_reason: 'cancelled', results_files: [{ relative_path: 'half' }] })
  })

  it('while it is verified', async () => {
    const run = await begin(runbook('echo one > /app/results/one', 'sleep 4711'))
    await jetty.until(run.task, run.id, says('The check of the runbook is run'))
    const { outputs } = (await cancel(run)).steps.run
    expect(outputs).toMatchObject({ success: false, results_files: [{ relative_path: 'one' }] })
  })

  it('while its results are kept: those that were kept by then are listed, and its log', async () => {
    // The storage needs 50 s for all files, so the cancel arrives before they are stored.
    storage.misbehave = ({ method }) => (method === 'PUT' ? delay(100) : undefined)
    const run = await begin(runbook(`cd /app/results; for n in $(seq ${many}); do echo $n > $n; done`))
    await jetty.until(run.task, run.id, says('in the results folder'))
    const { outputs, logs } = (await cancel(run)).steps.run
    expect(outputs.results_files.length).toBeGreaterThan(0)
    expect(outputs.results_files.length).toBeLessThan(many)
    expect(outputs.agent_log).toMatch(/agent_scripted\.txt$/)
    expect(
      logs.some(({ message }: Body) => /^Files that were not stored because the run was cancelled: \d+$/.test(message)),
    ).toBe(true)
  })
})
