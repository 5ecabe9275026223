import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editOfMember } from './json-editor.tsx'

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
