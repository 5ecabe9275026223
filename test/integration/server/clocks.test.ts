import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const hourMs = 3_600_000

let jetty: TestServer
/** How far the clock of the machine is off. */
let offMs = 0
beforeAll(async () => {
  jetty = await startTestServer({
    beatMs: 50,
    machineClock: () => Date.now() + offMs,
    env: { JETTY_METRICS_PORT: '0' },
  })
})
afterAll(() => jetty?.close())

const until = async (satisfied: () => Promise<boolean>) => {
  for (const begun = performance.now(); !(await satisfied()); await pause(20)) {
    if (performance.now() - begun > 40_000) throw new Error('never so')
  }
}
const skewSeconds = async () => {
  const text = await (await fetch(`${jetty.server.metricsUrl}/metrics`)).text()
  return Number(/^jetty_clock_skew_seconds (\S+)$/m.exec(text)?.[1])
}
const echo = {
  init_params: { text: 'hello' },
  step_configs: { a: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['a'],
}

test('a server whose clock is an hour off says so, fires nothing, and fires once it is right', async () => {
  const task = await jetty.task(echo)
  offMs = hourMs
  await until(async () => Math.abs((await skewSeconds()) - 3600) < 60)
  const made = await jetty.call('POST', `/api/v1/routines/acme/${task}`, {
    name: 'minutely',
    cadence: { type: 'cron', expression: '* * * * *' },
  })
  expect(made.status).toBeLessThan(300)
  await jetty.server.database.query("update routines set next_run_at = date_trunc('minute', now())")
  const fired = async () =>
    (await jetty.server.database.query("select id from runs where id like 'routine/%'")).length > 0
  await pause(500) // ten beats, each of which sees it
  expect(await fired()).toBe(false)
  offMs = 0
  await until(fired)
})

test('what is recorded has the time of the database, whatever the machine says, and sleeps end by it', async () => {
  const sleeper = { init_params: {}, step_configs: { nap: { activity: 'sleep', seconds: 1 } }, steps: ['nap'] }
  const machineTime = Date.now
  Date.now = () => machineTime() + offMs
  try {
    offMs = 2 * hourMs
    const run = jetty.run(sleeper)
    await until(async () => (await jetty.server.database.query("select 1 from steps where name = 'nap'")).length > 0)
    offMs = -2 * hourMs // a jump back in the middle of a sleep
    const begun = performance.now()
    expect((await run).status).toBe('completed')
    expect(performance.now() - begun).toBeLessThan(30_000)
  } finally {
    Date.now = machineTime
    offMs = 0
  }
  const [off] = await jetty.server.database.query<{ seconds: number }>(
    `select greatest(max(abs(extract(epoch from created_at - now()))), max(abs(extract(epoch from ended_at - now()))))::float8
       as seconds from runs where name = 'acme/t2'`,
  )
  expect(off?.seconds).toBeLessThan(60)
})
