import { expect, it } from 'vitest'
import { formText } from './form-text.ts'

it('says of each field what a FormData says', async () => {
  const fields: [string, string][] = [
    ['plain', 'one'],
    ['lines', 'a\nb\r\nc\rd'],
    ['na"me\nof', '{"é":"漢"}'],
    ['empty', ''],
  ]
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  const expected = new Response(form)
  const boundaryOf = (type: string | null) => type?.split('boundary=')[1] ?? ''
  const { type, text } = formText(fields)
  const same = (await expected.text()).replaceAll(boundaryOf(expected.headers.get('content-type')), boundaryOf(type))
  expect(text.trim()).toBe(same.trim())
})

it('encodes a form without fields', async () => {
  const { type, text } = formText([])
  const read = await new Response(text, { headers: { 'content-type': type } }).formData()
  expect([...read.entries()]).toEqual([])
})
