import { describe, expect, it } from 'vitest'
import { approveCommand, commandsFor, labelCommand, rerunCommand, shellWord } from './run-commands.ts'
import { at, runOf, step } from './test-steps.ts'

const run = runOf([step('a')])

it.each([
  ['plain', 'plain'],
  ['acme/t/1', 'acme/t/1'],
  ['two words', "'two words'"],
  ["it's", "'it'\\''s'"],
  ['$(rm -rf /)', "'$(rm -rf /)'"],
  ['', "''"],
])('the shell reads %j as %s', (text, word) => {
  expect(shellWord(text)).toBe(word)
})

it.each([
  [{}, 'jetty rerun acme/t/3a87272f'],
  [{ from: 'b', current: true }, 'jetty rerun acme/t/3a87272f --from b --current'],
  [{ replay: true, from: 'b' }, 'jetty replay acme/t/3a87272f'],
  [
    { params: { text: 'hi there', n: 5, digits: '5', file: '@x', list: [1] } },
    `jetty rerun acme/t/3a87272f -p 'text=hi there' -p n=5 -p 'digits="5"' -p 'file="@x"' -p 'list=[1]'`,
  ],
])('the rerun %j is %s', (choice, line) => {
  expect(rerunCommand(run, choice)).toBe(line)
})

it('decides and labels', () => {
  expect(approveCommand(run, 'gate', 'reject', 'too long')).toBe(
    "jetty approve acme/t/3a87272f gate --reject --comment 'too long'",
  )
  expect(labelCommand(run, 'quality', 'very high')).toBe("jetty labels add acme/t/3a87272f 'quality=very high'")
  expect(labelCommand(run, 'reviewed', '')).toBe('jetty labels add acme/t/3a87272f reviewed')
})

describe('commands for a run', () => {
  const waiting = [{ step: 'gate', message: '', since: at(0), expires_at: null, decide: '' }]
  it.each([
    ['that failed', runOf([], { status: 'failed' }), 'b', 'jetty rerun acme/t/3a87272f --from b'],
    ['that waits', runOf([], { status: 'running', waiting }), undefined, 'jetty approve acme/t/3a87272f gate'],
    ['at work', runOf([], { status: 'running' }), undefined, 'jetty runs watch acme/t/3a87272f'],
    ['that completed', runOf([]), undefined, 'jetty runs get acme/t/3a87272f'],
  ])('%s begin with what is wanted', (_, one, failedStep, line) => {
    expect(commandsFor(one, failedStep)[0]?.line).toBe(line)
  })
})
