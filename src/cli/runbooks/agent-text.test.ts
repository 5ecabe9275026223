import { afterEach, expect, test, vi } from 'vitest'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { makeAgentState } from './agent-state.ts'
import { agentEventOf, agentEventText } from './agent-text.ts'

vi.hoisted(() => vi.stubEnv('NO_COLOR', '1')) // whether there are colours is decided when their library is loaded

const columns = process.stderr.columns
afterEach(() => {
  process.stderr.columns = columns
})

const call = (input: unknown): NewAgentEvent => ({ type: 'tool_call', id: '1', name: 'Bash', input })
const usage: NewAgentEvent = { type: 'usage', model: 'm', prompt_tokens: 1200, completion_tokens: 34, cost_usd: null }

test('a call of a tool is one line, as wide as the terminal has room', () => {
  process.stderr.columns = 50
  const text = agentEventText(call({ command: `printf '%s'\n  ${'word '.repeat(40)}` })) ?? ''
  expect(text).toMatch(/^ {2}→ Bash printf '%s' word .*…$/)
  expect(text.length).toBeLessThanOrEqual(50)
})

test('of a result its first lines are shown, and how many there are beside', () => {
  const result: NewAgentEvent = { type: 'tool_result', id: '1', output: 'a\nb\nc\nd\ne\n', is_error: false }
  expect(agentEventText(result)).toBe('    a\n    b\n    c\n    … 2 more lines')
})

test('further lines of what is said stand below the first one', () => {
  const ended: NewAgentEvent = { type: 'phase', phase: 'finished', message: 'It failed:\nmissing: a.md\n' }
  expect(agentEventText(ended)).toBe('finished It failed:\n    missing: a.md')
})

test('nothing that an agent prints is carried out by the terminal, nor read in another order', () => {
  expect(agentEventText(call('rm \u202efdp.x\u2066'))).toBe('  → Bash rm �fdp.x�')
  expect(agentEventText(call('\u001b]0;title\u0007rm'))).toBe('  → Bash �]0;title�rm')
})

test('a log line is an event of an agent where it says which', () => {
  expect(agentEventOf({ type: 'agent_usage', attributes: { ...usage } })).toEqual(usage)
  expect(agentEventOf({ type: 'log', attributes: { ...usage } })).toBeUndefined()
  expect(agentEventOf({ type: 'agent_usage' })).toBeUndefined()
})

test('where a runbook stands is its phase, and what was asked of models', () => {
  const state = makeAgentState()
  expect(state.text()).toBe('preparing')
  state.tell({ type: 'phase', phase: 'working', message: '' })
  state.tell(usage)
  expect(state.text()).toBe('working · 1 call, 1,234 tokens')
})
