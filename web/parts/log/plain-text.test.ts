import fc from 'fast-check'
import { expect, it } from 'vitest'
import { plainText } from './plain-text.ts'

it.each([
  ['\u001b[31mred\u001b[0m', 'red'],
  ['\u001b[1;38;5;196mbold', 'bold'],
  ['\u001b]8;;https://evil.example\u0007click\u001b]8;;\u0007', 'click'],
  ['\u001b]0;title\u001b\\text', 'text'],
  ['\u009b2Jcleared', 'cleared'],
  ['\u001bPq#0~\u001b\\after', 'after'],
  ['10%\r50%\rdone\nnext', 'done\nnext'],
  ['windows\r\nlines\r\n', 'windows\nlines\n'],
  ['bell\u0007 nul\u0000 tab\t.', 'bell nul tab\t.'],
  ['safe\u202egpj.exe', 'safe[U+202E]gpj.exe'],
  ['plain <b>text</b>', 'plain <b>text</b>'],
])('%j reads %j', (text, plain) => {
  expect(plainText(text)).toBe(plain)
})

it('leaves no control character', () => {
  const unit = fc.constantFrom(
    '\u001b',
    '[',
    ']',
    '3',
    'm',
    ';',
    '\u0007',
    '\\',
    'a',
    '\r',
    '\n',
    '\u009b',
    'P',
    '\u202e',
  )
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not be left
      expect(plainText(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    }),
  )
})
