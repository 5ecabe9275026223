import { mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ houseMs: 50, env: { JETTY_METRICS_PORT: '0' } })
})
afterAll(() => jetty?.close())

const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
  for (const begun = performance.now(); ; await pause(20)) {
    const seen = await look()
    if (seen !== undefined) return seen
    if (performance.now() - begun > 40_000) throw new Error('never so')
  }
}
const rows = <Row>(text: string) => jetty.server.database.query<Row>(text)
const failures = async (chore: string) => {
  const text = await (await fetch(`${jetty.server.metricsUrl}/metrics`)).text()
  return Number(new RegExp(`^jetty_housekeeping_failures_total\\{chore="${chore}"\\} (\\d+)$`, 'm').exec(text)?.[1])
}

test('a file that cannot be removed keeps its own run: all others go, and a metric counts it', async () => {
  const task = await jetty.task({
    init_params: {},
    step_configs: { save: { activity: 'save_text_file', text: 'x', filename: 'kept.txt' } },
    steps: ['save'],
  })
  for (let i = 0; i < 3; i++) await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, new FormData())
  const [stuck] = await rows<{ object: string; run_id: string }>('select object, run_id from files order by object')
  const { object = '', run_id: runId } = stuck ?? {}
  const path = join(jetty.dataDir, 'files/objects', object.slice(0, 2), object.slice(2, 4), object)
  rmSync(path)
  mkdirSync(path) // not even root removes it as a file
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { retention_days: 30 })
  expect(await failures('retention')).toBe(0)
  await rows("update runs set created_at = now() - interval '40 days', ended_at = now() - interval '40 days'")

  await until(async () => ((await failures('retention')) > 1 ? true : undefined))
  expect(await rows("select id from runs where name like 'acme/%'")).toEqual([{ id: runId }])
  expect(await rows('select object from files')).toEqual([{ object }])

  rmdirSync(path)
  await until(async () =>
    (await rows("select id from runs where name like 'acme/%'")).length === 0 ? true : undefined,
  )
})
