import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'
import { exampleDocument } from '../../croissant/example-document.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
})
afterAll(() => server?.close())

const validate = async (content: string, field = 'file') => {
  const form = new FormData()
  form.append(field, new Blob([content]), 'metadata.json')
  const answer = await fetch(`${server.url}/api/v1/datasets/mlcroissant-validation`, { method: 'POST', body: form })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

test('anyone may validate a Croissant file, and a broken one gets a report too', async () => {
  const valid = await validate(JSON.stringify(exampleDocument('1.1')))
  expect(valid).toMatchObject({ status: 200, body: { filename: 'metadata.json', overall_passed: true, errors: [] } })

  const broken = await validate(JSON.stringify({ ...exampleDocument(), conformsTo: 'http://example.com/2.0' }))
  expect(broken).toMatchObject({
    status: 200,
    body: { overall_passed: false, errors: [{ rule: 'version', pointer: '/conformsTo' }] },
  })

  const text = await validate('not JSON')
  expect(text).toMatchObject({ status: 200, body: { overall_passed: false, steps: [{ passed: false }] } })
})

test('a call without a file, or with too large a one, is refused', async () => {
  expect(await validate('{}', 'data')).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'file'] }] } })
  const large = await validate(`{"a": "${'x'.repeat(4 * 1024 * 1024)}"}`)
  expect(large).toMatchObject({ status: 413, body: { detail: expect.stringContaining('4 MiB') } })
})
