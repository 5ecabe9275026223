// CSV with any delimiter becomes items, and items become CSV whose columns do not depend on one of them.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
let key: string
beforeAll(async () => {
  server = await startApiServer()
  await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
  key = await server.makeKey(['acme'])
})
afterAll(() => server?.close())

const call = (method: string, path: string, body?: unknown) =>
  server.call(method, `/api/v1/datasets/acme${path}`, { token: key, body })
const send = async (path: string, content: string, fields: Record<string, string> = {}) => {
  const form = new FormData()
  form.append('file', new File([content], 'a.csv'))
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  const headers = { authorization: `Bearer ${key}` }
  const response = await fetch(`${server.url}/api/v1${path}`, { method: 'POST', headers, body: form })
  return { status: response.status, body: JSON.parse(await response.text()) }
}
const imported = async (name: string, content: string, fields: Record<string, string> = {}) => {
  await call('POST', '', { name })
  const written = await send(`/datasets/acme/${name}/items/import`, content, fields)
  const items = (await call('GET', `/${name}/items`)).body.items ?? []
  return { ...written, data: items.map(({ data }: { data: unknown }) => data) }
}

test.each([
  ['semicolon', 'question;price\nWhy?;1,5\nHow?;2,5\n'],
  ['tab', 'question\tprice\nWhy?\t1,5\nHow?\t2,5\n'],
  ['pipe', 'question|price\nWhy?|1,5\nHow?|2,5\n'],
  ['comma', 'question,price\nWhy?,"1,5"\nHow?,"2,5"\n'],
])('a %s between the cells is found', async (name, content) => {
  const { status, body, data } = await imported(name, content)
  expect([status, body.warnings]).toEqual([200, undefined])
  expect(data).toEqual([
    { question: 'Why?', price: '1,5' },
    { question: 'How?', price: '2,5' },
  ])
})

test('a named delimiter is taken, and one column that looks like several is warned about', async () => {
  const forced = await imported('forced', 'a;b,c\n1;2,3\n', { delimiter: 'comma' })
  expect(forced.data).toEqual([{ 'a;b': '1;2', c: '3' }])
  const one = await imported('one', 'a:b\n1:2\n')
  expect(one.data).toEqual([{ 'a:b': '1:2' }])
  expect(one.body.warnings).toEqual([
    {
      field: 'delimiter',
      message:
        "The CSV was read as one column, 'a:b'. If it has several, say what is between its cells with `delimiter`",
      did_you_mean: null,
    },
  ])
  const check = await send('/datasets/acme/one/items/check', 'a:b\n1:2\n')
  expect(check.body.warnings).toHaveLength(1)
  expect((await imported('text', 'question\n"Why, and how?"\n"Where?"\n')).body.warnings).toBeUndefined()
  const wrong = await imported('wrong', 'a,b\n1,2\n', { delimiter: 'colon' })
  expect(wrong.body.detail[0]).toMatchObject({ loc: ['body', 'delimiter'] })
})

const header = async (name: string) => (await call('GET', `/${name}/items/export?format=csv`)).text.split('\r\n')[0]

test('the columns of an export do not change with one item', async () => {
  await call('POST', '', { name: 'forms' })
  await call('POST', '/forms/items', { items: [{ id: 'a', data: { text: 'x', note: 'y', n: 1 } }] })
  expect(await header('forms')).toBe('id,text,note,n:json')
  const odd = [{ text: '=1+2' }, { text: '' }, { note: "'=x" }, {}, { text: '"' }, { text: '-5', note: "it's" }]
  await call('POST', '/forms/items', { items: odd.map((data, at) => ({ id: `o${at}`, data })) })
  expect(await header('forms')).toBe('id,text,note,n:json')
  const file = (await call('GET', '/forms/items/export?format=csv')).text
  expect((await send('/datasets/acme/forms/items/import', file)).body).toMatchObject({
    changed: 0,
    added: 0,
    unchanged: 7,
  })
})

test('the schema says what the columns of an export are', async () => {
  const properties = { n: { type: 'integer' }, text: { type: 'string' }, size: { enum: ['s', 'm'] }, any: {} }
  await call('POST', '', { name: 'declared', item_schema: { type: 'object', properties } })
  await call('POST', '/declared/items', { items: [{ id: 'a', data: { more: 'x', text: 't' } }] })
  expect(await header('declared')).toBe('id,n:json,text,size,any:json,more')
  await call('POST', '/declared/items', { items: [{ id: 'b', data: { any: 'only text', n: 1 } }] })
  expect(await header('declared')).toBe('id,n:json,text,size,any:json,more')
})
