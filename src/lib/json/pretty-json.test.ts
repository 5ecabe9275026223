import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prettyJson } from './pretty-json.ts'

describe('pretty JSON', () => {
  it('is what JSON.stringify makes of a value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(prettyJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
      }),
    )
  })

  it('does not care about the space that was there', () => {
    const text = ' { "a" :\n[ ] , "b":{ "c" : [1 ,2] } }\n'
    expect(prettyJson(text)).toBe('{\n  "a": [],\n  "b": {\n    "c": [\n      1,\n      2\n    ]\n  }\n}')
  })

  it('keeps the order of keys that look like numbers, and every digit of a number', () => {
    expect(prettyJson('{"2":12345678901234567890,"1":1.0,"1":"\\u00e9 \\" { ,"}')).toBe(
      '{\n  "2": 12345678901234567890,\n  "1": 1.0,\n  "1": "\\u00e9 \\" { ,"\n}',
    )
  })

  it('takes a text of a megabyte', () => {
    const value = { text: 'a"\\'.repeat(400_000) }
    expect(prettyJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2))
  })
})
