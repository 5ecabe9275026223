import { StringStream } from '@codemirror/language'
import { expect, test } from 'vitest'
import { runbookTokens } from './markdown-editor.tsx'

const read = (text: string): [string, string | null][] => {
  const state = runbookTokens.startState()
  return text.split('\n').flatMap((line) => {
    if (line === '') {
      runbookTokens.blankLine(state)
      return []
    }
    const stream = new StringStream(line, 2, 2)
    const found: [string, string | null][] = []
    while (!stream.eol()) {
      stream.start = stream.pos
      const style = runbookTokens.token(stream, state)
      found.push([stream.current(), style])
    }
    return found
  })
}

test('front matter only at the beginning', () => {
  expect(read('---\nagent: scripted\n---\n---\n')).toEqual([
    ['---', 'meta'],
    ['agent', 'propertyName'],
    [': scripted', 'string'],
    ['---', 'meta'],
    ['---', null],
  ])
  expect(read('\n---\nagent: x')).toEqual([
    ['---', null],
    ['agent: x', null],
  ])
})

test('headings, lists, code and variables', () => {
  expect(read('# On {{subject}}\n- [ ] run `ls` first\n1. go')).toEqual([
    ['# ', 'heading'],
    ['On ', 'heading'],
    ['{{subject}}', 'variableName'],
    ['- [ ] ', 'list'],
    ['run ', null],
    ['`ls`', 'monospace'],
    [' first', null],
    ['1. ', 'list'],
    ['go', null],
  ])
})

test('a block of code ends with its own fence', () => {
  expect(read('````sh\n# no heading\n```\n{{results_dir}}\n````\n# yes')).toEqual([
    ['````sh', 'meta'],
    ['# no heading', 'monospace'],
    ['`', 'monospace'],
    ['`', 'monospace'],
    ['`', 'monospace'],
    ['{{results_dir}}', 'variableName'],
    ['````', 'meta'],
    ['# ', 'heading'],
    ['yes', 'heading'],
  ])
})
