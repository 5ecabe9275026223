import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Logger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { MachineCheck } from '../../local/machine-checks.ts'
import { lookLater } from './look-at-sandbox.ts'

const hanging = vi.fn(
  (_settings: Settings, signal?: AbortSignal) =>
    new Promise<MachineCheck>((resolve) => {
      const end = () => resolve({ name: 'sandbox', state: 'warning', found: 'none: it was given up' })
      signal?.addEventListener('abort', end, { once: true })
    }),
)
vi.mock('../../local/machine-checks.ts', () => ({ checkSandbox: hanging }))
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('keeps no server from ending while a program of the sandbox hangs, and says nothing of it then', async () => {
  const warn = vi.fn()
  const later = lookLater({ role: 'all' } as Settings, { warn } as unknown as Logger)
  vi.advanceTimersByTime(2_000)
  while (hanging.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await later.stop()
  expect(warn).not.toHaveBeenCalled()
})
