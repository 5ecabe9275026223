import { chmodSync, renameSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer, type TestServerOptions } from '../../server.ts'

let jetty: TestServer | undefined
let closing: Promise<void> | undefined
afterEach(async () => {
  await (closing ?? jetty?.close())
  jetty = closing = undefined
})
/** A server that was asked whether it is ready waits for its drain time when it closes. */
const start = async ({ env, ...options }: TestServerOptions = {}) => {
  jetty = await startTestServer({ env: { JETTY_DRAIN_SECONDS: '0', ...env }, ...options })
  return jetty
}
const ready = async (url: string | undefined = jetty?.url) => {
  const response = await fetch(`${url}/ready`)
  return { status: response.status, body: (await response.json()) as Body }
}
const until = async (look: () => Promise<boolean>) => {
  for (const begun = performance.now(); !(await look()); await pause(20)) {
    if (performance.now() - begun > 40_000) throw new Error('never so')
  }
}

test('says what it found, without a token', async () => {
  await start()
  expect(await ready()).toEqual({
    status: 200,
    body: {
      ready: true,
      reason: null,
      draining: false,
      role: 'all',
      database: 'up',
      writable: true,
      clock: { ok: true, skew_seconds: expect.any(Number) },
      storage: { ok: true, reason: null },
      memory: { used_bytes: 0, limit_bytes: expect.any(Number), waiting: 0, waits: [] },
      queue: { ok: true },
    },
  })
})

test('is 503 with a clock that is off, and with a folder that is gone', async () => {
  let offMs = 0
  const { dataDir, call } = await start({ machineClock: () => Date.now() + offMs })
  const upload = () => {
    const form = new FormData()
    form.append('file', new Blob(['hello']), 'a.txt')
    form.append('collection', 'acme')
    return call('POST', '/api/v1/files/upload', form)
  }
  const { path } = (await upload()).body
  offMs = -3_600_000
  await until(async () => (await ready()).status === 503)
  const { body } = await ready()
  expect(body).toMatchObject({ ready: false, clock: { ok: false }, database: 'up', storage: { ok: true } })
  expect(body.clock.skew_seconds).toBeLessThan(-3000)
  offMs = 0
  await until(async () => (await ready()).status === 200)

  renameSync(dataDir, `${dataDir}.away`)
  await until(async () => (await ready()).status === 503)
  expect((await ready()).body.storage).toEqual({ ok: false, reason: expect.stringContaining('ENOENT') })
  const unusable = { status: 503, body: { detail: expect.stringContaining(dataDir) } }
  expect(await upload()).toMatchObject(unusable)
  expect(await call('GET', `/api/v1/file/${path}`)).toMatchObject(unusable)
  renameSync(`${dataDir}.away`, dataDir)
  chmodSync(dataDir, 0o700)
  expect((await fetch(`${jetty?.url}/health`)).status).toBe(200)
})

test('is 503 with less space than JETTY_LEAST_FREE_BYTES', async () => {
  await start({ env: { JETTY_LEAST_FREE_BYTES: '1024TiB' } })
  const { status, body } = await ready()
  expect(status).toBe(503)
  expect(body.storage).toEqual({ ok: false, reason: expect.stringContaining('JETTY_LEAST_FREE_BYTES') })
})

test('a server that is asked and stops is unready for JETTY_DRAIN_SECONDS, and answers meanwhile', async () => {
  const drainSeconds = 2
  const { url, call } = await start({ env: { JETTY_DRAIN_SECONDS: String(drainSeconds), JETTY_METRICS_PORT: '0' } })
  expect((await ready()).status).toBe(200)
  const begun = performance.now()
  closing = jetty?.close()
  expect(await ready()).toMatchObject({ status: 503, body: { ready: false, draining: true, database: 'up' } })
  expect((await ready(jetty?.server.metricsUrl)).status).toBe(503)
  expect((await fetch(`${url}/health`)).status).toBe(200)
  expect((await call('GET', '/api/v1/tasks/acme')).status).toBe(200)
  await closing
  expect(performance.now() - begun).toBeGreaterThan(drainSeconds * 1000 - 100)
  await expect(fetch(`${url}/health`)).rejects.toThrow()
})

test('one that no load balancer asks stops at once', async () => {
  await start({ env: { JETTY_DRAIN_SECONDS: '600' } })
  closing = jetty?.close()
  await closing // within the time limit of a test
})
