import { expect, test } from 'vitest'
import { AppError } from '../../../../src/lib/errors.ts'
import { runCommand } from './command.ts'
import { errorsByName } from './page.tsx'

const at = { collection: 'acme', task: 'sum', files: [] as string[] }

test.each([
  [{ ...at, params: {} }, 'jetty run acme/sum'],
  [{ ...at, params: { n: 3, text: 'two words' } }, "jetty run acme/sum -p n=3 -p 'text=two words'"],
  [{ ...at, params: { text: "it's; $(rm)" } }, "jetty run acme/sum -p 'text=it'\\''s; $(rm)'"],
  [{ ...at, params: { o: { a: [1] } }, files: ['a b.txt'] }, `jetty run acme/sum -p 'o={"a":[1]}' --file 'a b.txt'`],
  [{ ...at, params: { n: 3 }, isPatient: true }, 'jetty run acme/sum -p n=3 --economy batch'],
])('%j', (command, text) => {
  expect(runCommand(command)).toBe(text)
})

test('what the server says about a parameter stands at its field', () => {
  const issues = [
    { loc: ['body', 'init_params', 'topic', 0], msg: 'topic.0 must be string', type: 'input_schema' },
    { loc: ['query', 'preflight'], msg: 'no', type: 'x' },
  ]
  expect(errorsByName(new AppError('invalid', 'no', { issues }))).toEqual({ topic: 'topic.0 must be string' })
  expect(errorsByName(new Error('x'))).toEqual({})
})
