import { expect, test } from 'vitest'
import { findingsOf, frontMatterPlace, runbookCompletions } from './runbook-split.tsx'

const text = '---\nversion: 1.0.0\nagent: nobody\nsecrets: {}\n---\n# On {{subject}}\nagent: no\n'

test.each([
  ['agent', { line: 3, column: 1 }],
  ['secrets', { line: 4, column: 1 }],
  ['model', undefined],
  ['age', undefined],
])('%s stands in the front matter at %j', (key, place) => {
  expect(frontMatterPlace(text, key)).toEqual(place)
})

test('a text without front matter has no keys', () => {
  expect(frontMatterPlace('agent: x\n', 'agent')).toBeUndefined()
  expect(frontMatterPlace('---\nagent: x', 'agent')).toEqual({ line: 2, column: 1 })
})

const check = (name: string, state: 'ok' | 'warning' | 'failed', field: string | null) => ({
  ...{ name, state, field },
  found: `${name} is ${state}`,
  fix: state === 'ok' ? null : 'Mend it',
})

test('errors come first, and the text tells its own faults', () => {
  const verdict = {
    valid: false,
    level: null,
    errors: [{ line: 1, column: 1, rule: 'V2', message: 'No version', fix: 'Write one' }],
    warnings: [{ line: 6, column: 6, rule: 'R2', message: 'Unknown', fix: 'List it' }],
    parameters: [],
  }
  const checks = [
    check('runbook', 'failed', 'instruction'),
    check('agent', 'failed', 'agent'),
    check('sandbox', 'ok', null),
    check('snapshot', 'warning', 'snapshot'),
    check('variables', 'failed', 'template_variables'),
  ]
  const found = findingsOf(text, verdict, { checks })
  expect(found.map(({ severity, rule, place }) => [severity, rule, place?.line])).toEqual([
    ['error', 'V2', 1],
    ['error', 'agent', 3],
    ['error', 'variables', undefined],
    ['warning', 'snapshot', undefined],
    ['warning', 'R2', 6],
  ])
})

test('nothing is known yet', () => {
  expect(findingsOf('', undefined, undefined)).toEqual([])
})

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
