import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makeProgressLine } from './progress-line.ts'

let written: string[]
const isTerminal = process.stderr.isTTY

beforeEach(() => {
  written = []
  vi.useFakeTimers()
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.push(String(text))
    return true
  })
})
afterEach(() => {
  process.stderr.isTTY = isTerminal
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('without a terminal it is said again after a minute of silence, and only then', () => {
  process.stderr.isTTY = false
  const line = makeProgressLine(() => 'working', 60)
  vi.advanceTimersByTime(59_000)
  line.clear()
  vi.advanceTimersByTime(59_000)
  expect(written).toEqual([])
  vi.advanceTimersByTime(61_000)
  expect(written).toEqual(['working\n', 'working\n'])
  line.stop()
  vi.advanceTimersByTime(600_000)
  expect(written).toHaveLength(2)
})

test('in a terminal it is drawn over itself, and never goes on in a second line', () => {
  process.stderr.isTTY = true
  const line = makeProgressLine(() => 'working')
  vi.advanceTimersByTime(100)
  expect(written.at(-1)).toMatch(/^\r.\[2K.\[\?7l.* working.\[\?7h$/s)
  line.stop()
  expect(written.at(-1)).toBe('\r\u001b[2K')
})
