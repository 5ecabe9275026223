import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readEnvFile } from './page.tsx'

test.each([
  ['', {}],
  ['A=1', { A: '1' }],
  ['# note\n\nA=1\r\nexport B = two words # why\n', { A: '1', B: 'two words' }],
  ['A="two\nlines"\nB=x', { A: 'two\nlines', B: 'x' }],
  [String.raw`A="line\nbreak \"quoted\" \\ \$x"`, { A: 'line\nbreak "quoted" \\ \\$x' }],
  ["A='raw \\n # kept'", { A: 'raw \\n # kept' }],
  ['A=', { A: '' }],
  ['A=#', { A: '' }],
  ['A=a#b', { A: 'a#b' }],
  ['KEY=abc==', { KEY: 'abc==' }],
  ['A=1\nA=2', { A: '2' }],
])('%j', (text, variables) => {
  expect(readEnvFile(text)).toEqual({ variables })
})

test.each([
  ['A=1\nnot a line', { line: 2, reason: 'is not NAME=value' }],
  ['1A=x', { line: 1, reason: 'is not NAME=value' }],
  ['A="x\nB=y', { line: 1, reason: 'begins a quote that never ends' }],
])('%j is refused', (text, fault) => {
  expect(readEnvFile(text)).toEqual(fault)
})

test('quoted values come back as they were', () => {
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/)
  const value = fc.string().filter((text) => !text.includes("'") && !text.includes('\r'))
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([one]) => one }), (pairs) => {
      const text = pairs.map(([one, is]) => `${one}='${is}'`).join('\n')
      expect(readEnvFile(text)).toEqual({ variables: Object.fromEntries(pairs) })
    }),
  )
})
