import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { makeStepClock } from './step-clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('counts only the time in which the step does not rest', () => {
  const over = vi.fn()
  const clock = makeStepClock()
  clock.begin(1000, over)
  vi.advanceTimersByTime(600)
  clock.rest()
  clock.rest()
  vi.advanceTimersByTime(60_000)
  clock.goOn()
  vi.advanceTimersByTime(399)
  expect(over).not.toHaveBeenCalled()
  vi.advanceTimersByTime(2)
  expect(over).toHaveBeenCalledOnce()
})

it('does not end a later limit with an earlier one, and calls nothing once it has ended', () => {
  const [first, second] = [vi.fn(), vi.fn()]
  const clock = makeStepClock()
  const endFirst = clock.begin(1000, first)
  const endSecond = clock.begin(1000, second)
  endFirst()
  vi.advanceTimersByTime(1001)
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1])
  endSecond()
  clock.goOn()
  vi.advanceTimersByTime(5000)
  expect(second).toHaveBeenCalledOnce()
})

it('says how much time is left', () => {
  const clock = makeStepClock()
  expect(clock.leftMs()).toBe(Number.POSITIVE_INFINITY)
  const end = clock.begin(1000, () => {})
  vi.advanceTimersByTime(400)
  expect(clock.leftMs()).toBe(600)
  clock.rest()
  vi.advanceTimersByTime(5000)
  expect(clock.leftMs()).toBe(600)
  end()
  expect(clock.leftMs()).toBe(Number.POSITIVE_INFINITY)
})
