import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Logger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'
import { lookLater } from './look-at-sandbox.ts'

const hanging = vi.fn(
  (_settings: Settings, signal?: AbortSignal) =>
    new Promise<MachineCheck>((resolve) => {
      const end = () => resolve({ name: 'sandbox', state: 'warning', found: 'none: it was given up' })
      signal?.addEventListener('abort', end, { once: true })
    }),
)
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('keeps no server from ending while a program of the sandbox hangs, and says nothing of it then', async () => {
  const warn = vi.fn()
  const later = lookLater({ role: 'all' } as Settings, { warn } as unknown as Logger, hanging)
  vi.advanceTimersByTime(10_000)
  expect(hanging).toHaveBeenCalledOnce()
  await later.stop()
  expect(warn).not.toHaveBeenCalled()
})
