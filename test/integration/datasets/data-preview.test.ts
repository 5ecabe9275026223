import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'
import { nestedParquet } from '../../preview/parquet-files.ts'

let server: ApiServer
let token: string
let other: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  token = await server.makeKey(['acme'])
  other = await server.makeKey(['other'])
  await server.call('POST', '/api/v1/datasets/acme', { token, body: { name: 'flowers' } })
})
afterAll(() => server?.close())

const upload = async (name: string, content: string | Uint8Array) => {
  const form = new FormData()
  form.append('data_file', new Blob([new Uint8Array(Buffer.from(content))]), name)
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${server.url}/api/v1/datasets/acme/flowers/data`, { method: 'POST', headers, body: form })
  return ((await answer.json()) as { file_number: number }).file_number
}
const preview = (number: number | string, key = token) =>
  server.call('GET', `/api/v1/datasets/acme/flowers/data/${number}/preview`, { token: key })

test('a data file is shown by its first rows, and one that cannot be shown says why', async () => {
  const parquet = await upload('a.parquet', nestedParquet)
  expect(await preview(parquet)).toMatchObject({
    status: 200,
    body: {
      format: 'parquet',
      row_count: 5,
      columns: [{ name: 'id' }, { name: 'tags', type: 'list' }, { name: 'place' }],
    },
  })
  const text = await upload('a.bin', 'hello')
  expect(await preview(text)).toMatchObject({
    status: 400,
    body: { detail: expect.stringContaining('no format that can be shown') },
  })
})

test('unknown files, and those of others, are not found', async () => {
  for (const number of ['99', 'x', '-1']) expect((await preview(number)).status).toBe(404)
  expect((await preview(0, other)).status).toBe(404)
})
