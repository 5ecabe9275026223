import { expect, test, vi } from 'vitest'
import { terminalLogLine } from './terminal-log.ts'

vi.hoisted(() => vi.stubEnv('NO_COLOR', '1')) // whether there are colours is decided when their library is loaded

test('a log line is a sentence for a person, with its details behind it', () => {
  const time = new Date(2026, 0, 2, 14, 7, 2).toISOString()
  const line = JSON.stringify({
    level: 'warn',
    time,
    count: 2,
    path: '/a b',
    err: { message: 'no', stack: 'x' },
    msg: 'removed',
  })
  expect(terminalLogLine(`${line}\n`)).toBe('  14:07:02 warn  removed · count 2 · path /a b · error no\n')
})

test('what a log line quotes cannot steer the terminal', () => {
  expect(terminalLogLine(JSON.stringify({ level: 'info', time: 0, msg: 'a\u001b[2Jb' }))).not.toContain('\u001b')
})
