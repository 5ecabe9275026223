import { expect, it } from 'vitest'
import { formText, sendRequest } from './request.ts'

const asked: (RequestInit | undefined)[] = []
const redirecting: typeof fetch = async (_, request) => {
  asked.push(request)
  return new Response(null, { status: 307, headers: { location: 'https://elsewhere.example/api' } })
}

it('sends a body to no server that another one names', async () => {
  for (const body of ['json', 'form'] as const) {
    const operation = { method: 'POST', path: '/x', body } as const
    const sent = sendRequest('http://here', operation, { body: { secret: 'x' } }, {}, redirecting)
    await expect(sent).rejects.toMatchObject({
      code: 'upstream_failed',
      message: 'http://here/x redirects to https://elsewhere.example/api',
    })
  }
  expect(asked.map((request) => request?.redirect)).toEqual(['manual', 'manual'])
})

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
