import { afterAll, beforeAll, expect, test } from 'vitest'
import { fireDue } from '../../../src/background/routines/fire.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let now = Date.parse('2026-11-27T09:30:00Z')
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ clock: () => now, env: { JETTY_ROLE: 'api' } }) // it fires none by itself
})
afterAll(() => server?.close())

test('where a busy server begins none of very many due routines, they wait for the next look', async () => {
  const workflow = { step_configs: { echo: { activity: 'text_echo', text: 'hello' } }, steps: ['echo'] }
  const task = await server.task(workflow)
  const cadence = { type: 'hourly', minute_utc: 31 }
  for (let number = 0; number < 50; number++) {
    const body = { name: `r${number}`, cadence, overlap: 'allow' }
    expect((await server.call('POST', `/api/v1/routines/acme/${task}`, body)).status).toBe(201)
  }
  let refused = 0
  const { database, sealer } = server.server
  const deps = {
    database,
    sealer,
    limits: { graceMs: 60_000, mostCaughtUp: 100 },
    log: createLogger({ level: 'silent' }),
    engine: {
      start: () => {
        refused++
        return Promise.reject(new AppError('busy', 'Runs arrive faster than the server can store them'))
      },
    },
  }
  now += 60_000
  expect(await fireDue(deps, now)).toBe(true) // their next times have moved on
  expect(await fireDue(deps, now)).toBe(false)
  expect(refused).toBe(100)
  const [waiting] = await database.query<{ total: number }>(
    `select count(*)::int as total from routines where waiting <> '{}'`,
  )
  expect(waiting?.total).toBe(50)
})
