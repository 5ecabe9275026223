import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codingAgents, type RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { AgentReport } from './agent.ts'
import { agents } from './agents.ts'
import { eventTextLength } from './events.ts'

const secret = 'sk-unmistakable-reader-secret'

const ids = Object.keys(agents) as RunbookAgent[]
const real = codingAgents

/** What the agents themselves have printed, at the versions that are pinned. */
const recorded = (name: string): string[] =>
  readFileSync(new URL(`../../../test/agents/recorded/${name}.jsonl`, import.meta.url), 'utf8').split('\n')

const read = (id: RunbookAgent, lines: string[]): { events: NewAgentEvent[]; report: AgentReport } => {
  const reader = agents[id].reader((text) => text.replaceAll(secret, '***'))
  const events = [...lines.flatMap((line) => reader.line(line)), ...reader.rest()]
  return { events, report: reader.report() }
}
const readRecorded = (id: RunbookAgent, name: string) => read(id, recorded(`${id}-${name}`))
const ofType = <Type extends NewAgentEvent['type']>(events: NewAgentEvent[], type: Type) =>
  events.filter((event): event is Extract<NewAgentEvent, { type: Type }> => event.type === type)

describe.each(real)('%s', (id) => {
  it('tells five calls of tools, what each gave, the last message and the end', () => {
    const { events, report } = readRecorded(id, 'done')
    const calls = ofType(events, 'tool_call')
    expect(calls).toHaveLength(5)
    expect(JSON.stringify(calls[0]?.input)).toContain('/app/results/numbers.txt')
    const results = ofType(events, 'tool_result')
    expect(results.map((result) => result.id)).toEqual(calls.map((call) => call.id))
    expect(results.map(({ output }) => output.trim())).toEqual([
      'wrote numbers.txt',
      'wrote sum.txt',
      'wrote parts/squares.csv',
      'wrote summary.md',
      'wrote validation_report.json',
    ])
    expect(results.some((result) => result.is_error)).toBe(false)
    expect(ofType(events, 'message').map(({ text }) => text)).toEqual(['All five steps are carried out.'])
    expect(events.at(-1)).toMatchObject({ type: 'end', ok: true })
    expect(report).toEqual({ isDone: true, error: undefined, denied: 0, text: 'All five steps are carried out.' })
  })

  it.each([
    ['401', /401/],
    ['404', /404|model/],
    ['500', /500|high demand/],
    ['cut', /connect|disconnected|fetch failed/],
  ])('is not done where the model did not answer: %s', (name, message) => {
    const { events, report } = readRecorded(id, name)
    expect(report).toMatchObject({ isDone: false, error: expect.stringMatching(message) })
    expect(ofType(events, 'error').length).toBeGreaterThan(0)
    expect(events.at(-1)).toMatchObject({ type: 'end', ok: false })
  })

  it('tells a command that failed from one that did not, and goes on', () => {
    const { events, report } = readRecorded(id, 'failcmd')
    const [failed, fine] = ofType(events, 'tool_result')
    expect(failed?.output).toContain('oops')
    if (id !== 'gemini-cli') expect(failed?.is_error).toBe(true) // it prints no exit code, and calls it a success
    expect(fine).toMatchObject({ is_error: false, output: expect.stringContaining('fine') })
    expect(report).toMatchObject({ isDone: true, error: undefined, denied: 0 })
  })

  it('is never done when it is cut off before its end', () => {
    const lines = recorded(`${id}-done`).filter(Boolean)
    for (let kept = 0; kept < lines.length - 1; kept++) expect(read(id, lines.slice(0, kept)).report.isDone).toBe(false)
  })
})

/** They end with exit code 0 and success all the same. gemini-cli offers no tool that it would ask about. */
it.each(real.filter((id) => id !== 'gemini-cli'))('%s: counts the tools that it was denied', (id) => {
  expect(readRecorded(id, 'denied').report.denied).toBe(1)
})

describe('what one of them alone does', () => {
  it('claude-code: a result that is called success and is an error', () => {
    const line = {
      type: 'result',
      subtype: 'success',
      is_error: true,
      result: 'API Error: 500',
      permission_denials: [],
    }
    expect(read('claude-code', [JSON.stringify(line)]).report).toMatchObject({ isDone: false, error: 'API Error: 500' })
  })

  it('claude-code: turns that are used up', () => {
    const line = { type: 'result', subtype: 'error_max_turns', is_error: false, permission_denials: [] }
    expect(read('claude-code', [JSON.stringify(line)]).report).toMatchObject({
      isDone: false,
      error: 'error_max_turns',
    })
  })

  it('claude-code: contents of several parts, an image among them', () => {
    const content = [{ type: 'text', text: 'a' }, { type: 'image', source: {} }, 'odd', { type: 'text', text: 'b' }]
    const line = { type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: 't', content }] } }
    const [result] = ofType(read('claude-code', [JSON.stringify(line)]).events, 'tool_result')
    expect(result?.output).toBe('a\n[image]\nb')
  })

  it('codex: an error that it got over is a warning', () => {
    const lines = [
      { type: 'error', message: 'Reconnecting... 1/2' },
      { type: 'turn.completed', usage: {} },
    ]
    const { events, report } = read(
      'codex',
      lines.map((line) => JSON.stringify(line)),
    )
    expect(events.map(({ type }) => type)).toEqual(['warning', 'end'])
    expect(report).toMatchObject({ isDone: true, error: undefined })
  })

  it('codex: a file that it changed, a tool that failed, and one that was declined', () => {
    const item = (type: string, rest: object) => ({ type: 'item.completed', item: { id: type, type, ...rest } })
    const lines = [
      item('file_change', { status: 'completed', changes: [{ path: 'a', kind: 'add' }] }),
      item('mcp_tool_call', { status: 'failed', error: { message: 'no such tool' } }),
      item('command_execution', { status: 'declined', command: 'rm', aggregated_output: '' }),
    ]
    const { events, report } = read(
      'codex',
      lines.map((line) => JSON.stringify(line)),
    )
    expect(ofType(events, 'tool_call').map(({ name }) => name)).toEqual(['apply_patch', 'mcp', 'shell'])
    expect(ofType(events, 'tool_result').map((result) => [result.output, result.is_error])).toEqual([
      ['[{"path":"a","kind":"add"}]', false],
      ['no such tool', true],
      ['declined', true],
    ])
    expect(report.denied).toBe(1)
  })

  it('gemini-cli: turns that are used up, which it calls a success', () => {
    const lines = [
      { type: 'error', severity: 'error', message: 'Reached max session turns' },
      { type: 'result', status: 'success', stats: {} },
    ]
    const { report } = read(
      'gemini-cli',
      lines.map((line) => JSON.stringify(line)),
    )
    expect(report.error).toBe('Reached max session turns')
  })

  it('gemini-cli: a command that it blocked, which it calls a success', () => {
    const line = { type: 'tool_result', tool_id: 't', status: 'success', output: 'Blocked: command substitution' }
    expect(ofType(read('gemini-cli', [JSON.stringify(line)]).events, 'tool_result')[0]?.is_error).toBe(true)
  })

  it('gemini-cli: a tool that a policy denied', () => {
    const error = { type: 'policy_violation', message: 'Tool execution denied by policy.' }
    const line = { type: 'tool_result', tool_id: 't', status: 'error', output: '', error }
    const { events, report } = read('gemini-cli', [JSON.stringify(line)])
    expect([report.denied, ofType(events, 'tool_result')[0]?.is_error]).toEqual([1, true])
  })

  it('gemini-cli: parts of a message become one', () => {
    const part = (content: string) => JSON.stringify({ type: 'message', role: 'assistant', content, delta: true })
    expect(read('gemini-cli', [part('one '), part('two')])).toEqual({
      events: [{ type: 'message', role: 'assistant', text: 'one two' }],
      report: { isDone: false, error: undefined, denied: 0, text: 'one two' },
    })
  })

  it('gemini-cli: a message in very many parts is cut once, and counts what it has left out', () => {
    const part = JSON.stringify({ type: 'message', role: 'assistant', content: '0123456789', delta: true })
    const { events, report } = read('gemini-cli', Array(200_000).fill(part))
    expect(events).toHaveLength(1)
    expect(report.text).toMatch(/^(0123456789)+012345… \(1934464 more characters\)$/)
    expect(report.text).toBe(events[0]?.type === 'message' && events[0].text)
  })

  it('what an event is cut to ends in no half of a secret, wherever that stands', () => {
    const long = `${'x'.repeat(eventTextLength - 9)}${secret} and more`
    const { events, report } = read('scripted', [
      JSON.stringify({ type: 'message', text: long }),
      JSON.stringify({
        type: 'tool_call',
        id: 'a',
        name: 'b',
        input: { first: 'x'.repeat(40_000), second: long.slice(40_000) },
      }),
      JSON.stringify({ type: 'tool_result', id: 'a', output: long }),
      JSON.stringify({ type: 'end', ok: false, reason: long }),
    ])
    const parts = [long.slice(0, 70), long.slice(70)].map((content) =>
      JSON.stringify({ type: 'message', role: 'assistant', content, delta: true }),
    )
    const told = JSON.stringify([events, report, read('gemini-cli', parts)])
    expect(told).not.toContain('sk-')
    expect(told.match(/x\*\*\*/g)?.length).toBeGreaterThan(5)
  })

  it('opencode: what a step ends with on its way is no end', () => {
    const { report } = read('opencode', recorded('opencode-google-done')) // its steps with tools end with `unknown`
    expect(report).toMatchObject({ isDone: true, error: undefined })
  })

  it('opencode: a last step that was cut short', () => {
    const step = (reason: string) => JSON.stringify({ type: 'step_finish', part: { reason } })
    const { events, report } = read('opencode', [
      step('tool-calls'),
      JSON.stringify({ type: 'step_start' }),
      step('length'),
    ])
    expect(report).toMatchObject({ isDone: false, error: expect.stringContaining('length') })
    expect(events.at(-1)).toMatchObject({ type: 'end', ok: false })
  })

  it('opencode: a message that goes on after its end', () => {
    const lines = [
      { type: 'step_finish', part: { reason: 'stop' } },
      { type: 'step_start', part: {} },
    ]
    expect(
      read(
        'opencode',
        lines.map((line) => JSON.stringify(line)),
      ).report.isDone,
    ).toBe(false)
  })
})

describe.each(ids)('%s, whatever is printed', (id) => {
  const types = [
    'assistant',
    'user',
    'system',
    'result',
    'item.started',
    'item.completed',
    'turn.failed',
    'turn.completed',
  ]
  const more = ['error', 'message', 'tool_use', 'tool_result', 'text', 'step_finish', 'tool_call', 'end']
  const names = ['message', 'item', 'part', 'content', 'error', 'text', 'status', 'state', 'output', 'subtype', 'delta']

  it('never throws, and tells nothing that is not bounded', () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .tuple(fc.constantFrom(...types, ...more), fc.dictionary(fc.constantFrom(...names), fc.jsonValue()))
        .map(([type, rest]) => JSON.stringify({ ...rest, type })),
    )
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const { events, report } = read(id, lines)
        expect(JSON.stringify([events, report]).length).toBeLessThan(lines.length * 5 * eventTextLength + 1000)
      }),
    )
  })

  it('has room for no more than a bound', () => {
    const long = 'x'.repeat(3 * eventTextLength)
    const lines = recorded(id === 'scripted' ? 'claude-code-done' : `${id}-done`).map((line) =>
      line.replaceAll('/app/results', long).replaceAll('wrote', long).replaceAll('All five', `\\u0000\\ud800${long}`),
    )
    const { events } = read(id, lines)
    for (const event of events) expect(JSON.stringify(event).length).toBeLessThan(eventTextLength * 1.2)
    expect(JSON.stringify(events)).not.toMatch(/\\u0000|\\ud800/)
  })
})

it('scripted: what it prints is told', () => {
  const lines = [
    { type: 'message', text: 'begins' },
    { type: 'tool_call', id: 'block-1', name: 'sh', input: { command: 'false' } },
    { type: 'tool_result', id: 'block-1', output: '', is_error: true },
    { type: 'end', ok: false, reason: 'block 1 of 1 ended with exit code 1' },
  ]
  const { events, report } = read(
    'scripted',
    lines.map((line) => JSON.stringify(line)),
  )
  expect(events.map(({ type }) => type)).toEqual(['message', 'tool_call', 'tool_result', 'error', 'end'])
  expect(report).toMatchObject({ isDone: false, error: 'block 1 of 1 ended with exit code 1', text: 'begins' })
})
