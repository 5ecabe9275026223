import { expect, test } from 'vitest'
import { pastedContent, pastedFileName } from './add-items.tsx'

test.each([
  ['[{"a": 1}]', 'pasted.json', '[{"a": 1}]'],
  ['{"a": 1}\n{"a": 2}', 'pasted.jsonl', '{"a": 1}\n{"a": 2}'],
  [' {\n  "a": 1\n}', 'pasted.jsonl', '{"a":1}'],
  ['a,b\n1,2', 'pasted.csv', 'a,b\n1,2'],
  ['a\tb\r\n1,5\tsays "so"', 'pasted.csv', 'a,b\n"1,5","says ""so"""'],
  ['a\tb\n"two\nlines, ""so"""\t2\n\t3', 'pasted.csv', 'a,b\n"two\nlines, ""so""",2\n,3'],
  ['a\tb\n"x" or "y"\t"open', 'pasted.csv', 'a,b\n"""x"" or ""y""","""open"'],
])('%j is sent as %s', (text, name, content) => {
  expect(pastedFileName(text)).toBe(name)
  expect(pastedContent(text)).toBe(content)
})
