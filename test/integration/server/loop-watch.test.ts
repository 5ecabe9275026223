// What blocks the server's thread is logged with its name, and the metrics say how the event loop is.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const blocksForMs = 600
const stubborn = activity({
  name: 'stubborn',
  category: 'control',
  description: 'Keeps the thread busy.',
  parameters: z.object({}),
  outputs: z.object({}),
  example: { activity: 'stubborn' },
  async run() {
    const begun = process.cpuUsage()
    const usedMs = ({ user, system } = process.cpuUsage(begun)) => (user + system) / 1000
    while (usedMs() < blocksForMs) for (let round = 0; round < 100_000; round++) Math.sqrt(round)
    return {}
  },
})

const lines: Record<string, unknown>[] = []
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [stubborn], onLog: (line) => lines.push(line) })
})
afterAll(() => jetty?.close())

const metric = async (name: string): Promise<number> => {
  const { body } = await jetty.call('GET', '/metrics')
  const line = (body as string).split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.slice(name.length))
}

it('names the step that kept all others waiting', async () => {
  const named = () => lines.find(({ operation, subject }) => operation === 'step' && subject === 'stubborn')
  // Where the machine stops the process meanwhile, the watch names what was interrupted longer.
  while (!named()) await jetty.run({ step_configs: { s: { activity: 'stubborn' } }, steps: ['s'] })
  const line = named()
  expect(line).toMatchObject({ level: 'warn', msg: 'one piece of work kept all others waiting' })
  expect(line?.blocked_ms).toBeGreaterThan(blocksForMs * 0.8)
  expect(await metric('jetty_loop_blocks_total')).toBeGreaterThan(0)
  expect(await metric('jetty_loop_blocked_seconds_total')).toBeGreaterThan((blocksForMs / 1000) * 0.8)
})

it('says that a loop with nothing to do is on time', async () => {
  await metric('nodejs_eventloop_lag_seconds')
  let least = 1
  for (let tries = 0; least >= 0.1 && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 300))
    least = await metric('nodejs_eventloop_lag_mean_seconds')
  }
  expect(least).toBeLessThan(0.1)
})
