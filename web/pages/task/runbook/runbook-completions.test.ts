import { expect, test } from 'vitest'
import { runbookCompletions } from './runbook-completions.ts'

/** Completes where `|` stands. */
const at = (marked: string) => {
  const place = marked.indexOf('|')
  const text = marked.replace('|', '')
  const { from, options } = runbookCompletions(text, place, ['subject'])
  return { word: text.slice(from, place), labels: options.map(({ label }) => label), apply: options.at(-1)?.apply }
}

test.each([
  ['Write on {{su|', 'su', ['results_dir', 'subject'], 'subject}}'],
  ['Write on {{|}}', '', ['results_dir', 'subject'], 'subject'],
  ['---\nagent: s|', 's', ['claude-code', 'codex', 'gemini-cli', 'opencode', 'scripted'], undefined],
  ['---\nversion: 1|', '1', [], undefined],
  ['---\n---\nagent: s|', '', [], undefined],
  ['agent: s|', '', [], undefined],
  ['---\n  en|', '', [], undefined],
])('%s', (text, word, labels, apply) => {
  expect(at(text)).toEqual({ word, labels, apply })
})

test('keys of the front matter', () => {
  const { word, labels, apply } = at('---\nversion: 1.0.0\nti|\n---\n')
  expect([word, labels.includes('timeout_sec'), labels.includes('origin'), apply]).toEqual([
    'ti',
    true,
    false,
    'verify: ',
  ])
})
