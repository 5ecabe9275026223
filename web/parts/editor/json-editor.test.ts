import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editOfMember, spanOfPointer } from './json-editor.tsx'

const edited = (text: string, path: string[], value: string | undefined): string => {
  const edit = editOfMember(text, path, value)
  return edit ? text.slice(0, edit.from) + edit.insert + text.slice(edit.to) : text
}

const pretty = '{\n  "a": {\n    "x": 1\n  },\n  "b": {}\n}'

describe('an edit', () => {
  test.each<[string, string, string[], string | undefined, string]>([
    ['changes a value', pretty, ['a', 'x'], '"two"', pretty.replace('1', '"two"')],
    ['adds a member', pretty, ['a', 'y'], '[\n  2\n]', pretty.replace('1', '1,\n    "y": [\n      2\n    ]')],
    ['adds to an empty object', pretty, ['b', 'y'], '2', pretty.replace('{}', '{\n    "y": 2\n  }')],
    ['adds on one line', '{"a": {"x": 1}}', ['a', 'y'], '2', '{"a": {"x": 1, "y": 2}}'],
    ['removes the last', '{"x": 1, "y": 2}', ['y'], undefined, '{"x": 1}'],
    ['removes the first', '{"x": 1, "y": 2}', ['x'], undefined, '{"y": 2}'],
    ['removes the only one', pretty, ['a', 'x'], undefined, pretty.replace('{\n    "x": 1\n  }', '{}')],
    ['changes the last of equal names', '{"x": 1, "x": 2}', ['x'], '3', '{"x": 1, "x": 3}'],
  ])('%s', (_, text, path, value, expected) => {
    expect(edited(text, path, value)).toBe(expected)
  })

  test('is none where nothing changes or no object is', () => {
    expect(editOfMember('{"a": 1}', ['a'], '1')).toBeUndefined()
    expect(editOfMember('{"a": 1}', ['b'], undefined)).toBeUndefined()
    expect(editOfMember('{"a": 1}', ['a', 'b'], '1')).toBeUndefined()
    expect(editOfMember('[1]', ['a'], '1')).toBeUndefined()
  })
})

test('the document has the value afterwards, and everything else as before', () => {
  const names = fc.string({ minLength: 1 }).filter((name) => name !== '__proto__')
  const members = fc.dictionary(names, fc.jsonValue())
  fc.assert(
    fc.property(
      members,
      names,
      fc.option(fc.jsonValue(), { nil: undefined }),
      fc.boolean(),
      (rest, name, value, isPretty) => {
        const document = { steps: { step: rest }, last: [1] }
        const text = JSON.stringify(document, null, isPretty ? 2 : 0)
        const { [name]: _, ...others } = rest
        const expected = value === undefined ? others : { ...rest, [name]: value }
        const written = value === undefined ? undefined : JSON.stringify(value, null, 2)
        expect(JSON.parse(edited(text, ['steps', 'step', name], written))).toEqual({
          ...document,
          steps: { step: expected },
        })
      },
    ),
  )
})

const text = `{
  "steps": ["a", "b" , {"deep": [1, 2]}],
  "step_configs": {
    "a": {"activity": "text_echo", "te/x~t": "say \\"hi\\", {you}", "n": 12 , "n": 13},
    "b": {"x": null}
  }
}`

test.each([
  ['/steps', '"steps"'],
  ['/steps/0', '"a"'],
  ['/steps/1', '"b"'],
  ['/steps/2', '{'],
  ['/steps/2/deep/1', '2'],
  ['/step_configs/a', '"a"'],
  ['/step_configs/a/activity', '"text_echo"'],
  ['/step_configs/a/te~1x~0t', '"say \\"hi\\", {you}"'],
  ['/step_configs/a/n', '13'],
  ['/step_configs/b/x', 'null'],
  ['/step_configs/b/missing/deeper', '"b"'],
  ['/nothing', '{'],
  ['', '{'],
])('%s is %s', (pointer, found) => {
  const { from, to } = spanOfPointer(text, pointer)
  expect(text.slice(from, to)).toBe(found)
})

test('every value of any document is found where it stands', () => {
  const names = fc.string({ minLength: 1 }).filter((name) => name !== '__proto__')
  fc.assert(
    fc.property(fc.dictionary(names, fc.jsonValue()), names, fc.boolean(), (value, name, isPretty) => {
      const marked = { ...value, [name]: 'here it is' }
      const written = JSON.stringify(marked, null, isPretty ? 2 : 0)
      const { from, to } = spanOfPointer(written, `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
      expect(written.slice(from, to)).toBe('"here it is"')
    }),
  )
})

test('a text that is broken or cut off has places too, and takes no time', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(200), (noise, cut) => {
      for (const broken of [noise, text.slice(0, cut), `${text.slice(0, cut)}${noise}`]) {
        const { from, to } = spanOfPointer(broken, '/step_configs/a/n')
        expect(from).toBeLessThanOrEqual(to)
        expect(to).toBeLessThanOrEqual(broken.length)
      }
    }),
  )
})
