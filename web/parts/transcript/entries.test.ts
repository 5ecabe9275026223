import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogEvent } from '../../../src/model/runs/run-events.ts'
import { phasesOf, shownEntries, toolLine, transcriptOf } from './entries.ts'

const start = Date.UTC(2026, 10, 28, 12)
const event = (n: number, attributes: Record<string, unknown>): LogEvent => ({
  timestamp: new Date(start + n * 1000).toISOString(),
  level: 'info',
  type: `agent_${attributes.type}`,
  step: 'run',
  activity: 'runbook',
  message: '',
  attributes: { n, ...attributes },
})
const phase = (n: number, name: string) => event(n, { type: 'phase', phase: name, message: name })
const call = (n: number, id: string, input: unknown) => event(n, { type: 'tool_call', id, name: 'Bash', input })
const result = (n: number, id: string, output: string, is_error = false) =>
  event(n, { type: 'tool_result', id, output, is_error })

const events = [
  phase(0, 'working'),
  event(1, { type: 'message', role: 'assistant', text: 'I look around' }),
  call(2, 'a', { command: 'ls\necho' }),
  call(3, 'b', { command: 'cat x' }),
  result(4, 'b', 'No such file', true),
  result(5, 'a', 'one two'),
  event(6, { type: 'usage', model: 'm', prompt_tokens: 3, completion_tokens: 4, cost_usd: 0.5 }),
  phase(7, 'verifying'),
  phase(8, 'repairing'),
  event(9, { type: 'end', ok: true, reason: 'completed' }),
]

describe('a transcript', () => {
  it('has a tool call and its result as one entry, and model calls as a sum', () => {
    const { entries, calls, tokens, cost } = transcriptOf(events)
    expect(entries.map(({ n, kind }) => [n, kind])).toEqual([
      [0, 'phase'],
      [1, 'message'],
      [2, 'tool'],
      [3, 'tool'],
      [7, 'phase'],
      [8, 'phase'],
      [9, 'end'],
    ])
    expect(entries[2]).toMatchObject({ line: '$ ls', result: { output: 'one two', isError: false } })
    expect([calls, tokens, cost]).toEqual([1, 7, 0.5])
  })

  it('is the same in whatever order the events come', () => {
    const whole = transcriptOf(events)
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: events.length }), (some) => {
        expect(transcriptOf(some)).toEqual(whole)
      }),
    )
  })

  it('keeps a result whose call is not loaded', () => {
    const { entries } = transcriptOf(events.slice(4))
    expect(entries[0]).toMatchObject({ kind: 'tool', line: 'Result of a tool', result: { isError: true } })
  })

  it('leaves events of the run itself out', () => {
    expect(transcriptOf([{ ...event(0, {}), attributes: { attempt: 1 } }]).entries).toEqual([])
  })
})

it.each([
  ['Bash', { command: 'ls -la\npwd' }, '$ ls -la'],
  ['shell', { command: ['bash', '-c', 'ls'] }, '$ bash -c ls'],
  ['Read', { file_path: '/app/x.csv', limit: 3 }, 'Read /app/x.csv'],
  ['Todo', { items: [1] }, 'Todo {"items":[1]}'],
  ['Odd', null, 'Odd null'],
  ['None', undefined, 'None'],
  ['Bash', { command: '\u001b[31mred\u001b[0m' }, '$ red'],
])('the line of %s with %j is %s', (name, input, line) => expect(toolLine(name, input)).toBe(line))

it.each([
  [{ errorsOnly: true, toolsOnly: false, text: '' }, [3]],
  [{ errorsOnly: false, toolsOnly: true, text: '' }, [2, 3]],
  [{ errorsOnly: false, toolsOnly: false, text: 'TWO' }, [2]],
  [{ errorsOnly: false, toolsOnly: false, text: 'around' }, [1]],
])('filtered by %j', (filter, numbers) => {
  expect(shownEntries(transcriptOf(events).entries, filter).map(({ n }) => n)).toEqual(numbers)
})

it('phases go from one to the next; a check that led to a repair was bad', () => {
  const end = start + 20_000
  expect(phasesOf(transcriptOf(events).entries, end)).toEqual([
    { n: 0, phase: 'working', from: start, to: start + 7_000, isBad: false },
    { n: 7, phase: 'verifying', from: start + 7_000, to: start + 8_000, isBad: true },
    { n: 8, phase: 'repairing', from: start + 8_000, to: end, isBad: false },
  ])
})
