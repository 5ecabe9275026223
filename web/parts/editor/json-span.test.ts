import fc from 'fast-check'
import { expect, test } from 'vitest'
import { spanOfPointer } from './json-span.ts'

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
