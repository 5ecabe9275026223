import { expect, it } from 'vitest'
import type { LogEvent } from '../../../src/model/runs/run-events.ts'
import { at } from '../test-steps.ts'
import { logLines, logText } from './log.tsx'

const event = (level: LogEvent['level'], message: string, step: string | null = null): LogEvent => ({
  timestamp: at(0),
  level,
  type: 'warning',
  message,
  step,
  activity: null,
  attributes: {},
})
const events = [
  event('info', 'Run started'),
  event('warning', '\u001b[31mHot\u001b[0m', 'a'),
  event('error', 'Broken', 'b'),
]

it.each([
  [{ level: 'debug' as const, text: '', step: undefined }, ['Run started', 'Hot', 'Broken']],
  [{ level: 'warning' as const, text: '', step: undefined }, ['Hot', 'Broken']],
  [{ level: 'debug' as const, text: 'HOT', step: undefined }, ['Hot']],
  [{ level: 'debug' as const, text: '', step: 'b' }, ['Broken']],
  [{ level: 'error' as const, text: 'hot', step: 'a' }, []],
])('with %j shows %j', (filter, texts) => {
  expect(logLines(events, filter).map(({ text }) => text)).toEqual(texts)
})

it('is copied as text', () => {
  const lines = logLines(events.slice(2), { level: 'debug', text: '', step: undefined })
  expect(logText(lines)).toBe('2026-11-28T12:00:00.000Z error b Broken\n')
})
