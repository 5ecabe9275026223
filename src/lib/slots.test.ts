import { expect, it } from 'vitest'
import { makeSlots } from './slots.ts'

it('a waiter whose signal fires leaves the queue, and the next one gets the slot', async () => {
  const slots = makeSlots(1)
  expect(slots.acquire()).toBeUndefined()
  const stop = new AbortController()
  const first = slots.acquire(1, stop.signal)
  const second = slots.acquire(2, new AbortController().signal)
  stop.abort(new Error('stopped'))
  await expect(first).rejects.toThrow('stopped')
  expect([slots.isWaiting(1), slots.isWaiting(2)]).toEqual([false, true])
  slots.release()
  await second
  expect(slots.used).toBe(1)
  await expect(slots.acquire(1, stop.signal)).rejects.toThrow('stopped')
  slots.release()
  expect(slots.free).toBe(1)
})
