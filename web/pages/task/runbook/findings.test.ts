import { expect, test } from 'vitest'
import { findingsOf, frontMatterPlace } from './findings.ts'

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
