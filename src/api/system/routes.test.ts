import { expect, test } from 'vitest'
import type { Ready } from '../health/contract.ts'
import { sandboxCheck, systemChecks } from './routes.ts'

const ready: Ready = {
  ready: true,
  reason: null,
  draining: false,
  role: 'all',
  database: 'up',
  writable: true,
  clock: { ok: true, skew_seconds: 0 },
  storage: { ok: true, reason: null },
  memory: { used_bytes: 0, limit_bytes: 1, waiting: 0, waits: [] },
  queue: { ok: true },
}
const facts = { freeBytes: 10 * 1024 ** 3, queued: 0, oldestQueuedSeconds: 0, isWorked: true, unserved: [] as string[] }
const states = (...given: Parameters<typeof systemChecks>) =>
  Object.fromEntries(systemChecks(...given).map(({ name, state }) => [name, state]))

test('all is well', () => {
  expect(states(ready, facts)).toEqual({ database: 'ok', clock: 'ok', disk: 'ok', queue: 'ok' })
  expect(systemChecks(ready, facts).every(({ remedy }) => remedy === null)).toBe(true)
})

test.each([
  ['database', { database: 'away' }, {}, 'failed'],
  ['clock', { clock: { ok: false, skew_seconds: 90 } }, {}, 'failed'],
  ['disk', { storage: { ok: false, reason: 'full' } }, {}, 'failed'],
  ['disk', {}, { freeBytes: 1024 ** 3 }, 'warning'],
  ['disk', {}, { freeBytes: null }, 'ok'],
  ['queue', { queue: { ok: false } }, {}, 'failed'],
  ['queue', {}, { isWorked: false, queued: 3 }, 'failed'],
  ['queue', {}, { queued: 3, oldestQueuedSeconds: 8 }, 'ok'],
  ['queue', {}, { queued: 3, oldestQueuedSeconds: 40 }, 'warning'],
  ['labels', {}, { unserved: ['eu,gpu'] }, 'warning'],
] as const)('%s %j %j is %s', (name, more, of, state) => {
  const checks = systemChecks({ ...ready, ...more } as Ready, { ...facts, ...of })
  expect(checks.find((one) => one.name === name)).toMatchObject({ state })
  expect(checks.filter((one) => one.name !== name).every((one) => one.state === 'ok')).toBe(true)
})

test('a sandbox that isolates nothing, or none, is a warning', () => {
  const works = { works: true, found: 'bubblewrap 0.11', tools: {} }
  expect(sandboxCheck(works, true)).toMatchObject({ state: 'ok', remedy: null })
  expect(sandboxCheck(works, false)).toMatchObject({ state: 'warning' })
  const missing = { works: false, found: 'bwrap is missing', remedy: 'apt install bubblewrap', tools: {} }
  expect(sandboxCheck(missing, true)).toMatchObject({ state: 'warning', remedy: 'apt install bubblewrap' })
})
