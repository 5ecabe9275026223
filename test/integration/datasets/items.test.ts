import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reportCroissant } from '../../../src/datasets/croissant/report.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'
import { flatParquet } from '../../preview/parquet-files.ts'

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
const importFile = async (
  path: string,
  content: string | Uint8Array<ArrayBuffer>,
  filename: string,
  fields: Record<string, string> = {},
) => {
  const form = new FormData()
  form.append('file', new File([content], filename))
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  const headers = { authorization: `Bearer ${key}` }
  const response = await fetch(`${server.url}/api/v1/datasets/acme${path}`, { method: 'POST', headers, body: form })
  return { status: response.status, body: JSON.parse(await response.text()) }
}
const ids = async (path: string) => (await call('GET', path)).body.items.map(({ id }: { id: string }) => id) as string[]

test('each write of items is a new version, and old versions stay', async () => {
  await call('POST', '', { name: 'qa' })
  const items = [1, 2, 3].map((n) => ({ id: `q${n}`, data: { question: `Q${n}?`, expected: `A${n}` } }))
  const first = await call('POST', '/qa/items', { items })
  expect([first.status, first.body]).toEqual([
    200,
    { version: 1, added: 3, changed: 0, removed: 0, unchanged: 0, count: 3 },
  ])
  const again = await call('POST', '/qa/items', { items })
  expect(again.body).toEqual({ version: 1, added: 0, changed: 0, removed: 0, unchanged: 3, count: 3 })
  const fixed = await call('PUT', '/qa/items/q2', { question: 'Q2?', expected: 'better' })
  expect(fixed.body).toMatchObject({ version: 2, changed: 1, count: 3 })
  expect((await call('DELETE', '/qa/items/q1')).body).toMatchObject({ version: 3, removed: 1, count: 2 })
  expect((await call('DELETE', '/qa/items/q1')).status).toBe(404)

  expect(await ids('/qa/items')).toEqual(['q2', 'q3'])
  expect(await ids('/qa/items?version=~1')).toEqual(['q1', 'q2', 'q3'])
  expect((await call('GET', '/qa/items/q2?version=~1')).body.data.expected).toBe('A2')
  expect((await call('GET', '/qa/items/q2')).body).toMatchObject({
    ...{ data: { question: 'Q2?', expected: 'better' }, version: 2, split: null, source: null },
  })
  expect((await call('GET', '/qa/items/q1')).body.detail).toBe("Item 'q1' not found")
  const { items: revisions } = (await call('GET', '/qa/items?version=~2&limit=1')).body
  expect(revisions).toHaveLength(1)
  const history = (await call('GET', '/qa/items/q2/history')).body.revisions
  expect(
    history.map((one: { version: number; until_version: number | null }) => [one.version, one.until_version]),
  ).toEqual([
    [2, null],
    [1, 2],
  ])
  const diff = (await call('GET', '/qa/items/diff?from=~1&to=~-1')).body
  expect(diff).toEqual({
    from: 1,
    to: 3,
    items: [
      { id: 'q1', change: 'removed', before: items[0]?.data, after: null },
      { id: 'q2', change: 'changed', before: items[1]?.data, after: { question: 'Q2?', expected: 'better' } },
    ],
    next_cursor: null,
  })
  const versions = (await call('GET', '/qa/history')).body
  expect(versions.total_versions).toBe(4)
  const hash = async (ref: string) => (await call('GET', `/qa/versions/${ref}`)).body.data.items?.hash
  expect(await hash('~1')).not.toBe(await hash('~2'))
  await call('PUT', '/qa', { format: 'chat' })
  expect(await hash('~4')).toBe(await hash('~3'))
})

test('lists are read page by page', async () => {
  await call('POST', '', { name: 'pages' })
  const items = Array.from({ length: 25 }, (_, at) => ({ id: `i${at}`, data: { at } }))
  await call('POST', '/pages/items', { items })
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await call('GET', `/pages/items?limit=10${cursor && `&cursor=${cursor}`}`)
    expect(body.total).toBe(25)
    seen.push(...body.items.map(({ id }: { id: string }) => id))
    cursor = body.next_cursor ?? ''
  } while (cursor)
  expect(seen).toEqual(items.map(({ id }) => id))
})

test('items that do not fit the schema are refused with a pointer', async () => {
  const schema = {
    ...{ type: 'object', required: ['question'] },
    properties: { question: { type: 'string' }, tags: { type: 'array', items: { type: 'string' } } },
  }
  await call('POST', '', { name: 'typed', item_schema: schema })
  const bad = await call('POST', '/typed/items', {
    items: [
      { id: 'good', data: { question: 'Q' } },
      { id: 'bad', data: { question: 'Q', tags: ['a', 7] } },
    ],
  })
  expect(bad.status).toBe(422)
  expect(bad.body.detail[0].loc).toEqual(['body', 'items', 1, 'data', 'tags', 1])
  expect(bad.body.detail[0].msg).toContain("Item 'bad': /tags/1 ")
  expect((await call('GET', '/typed/items')).body.total).toBe(0)
  const line = await importFile('/typed/items/import', '{"id":"a","question":"Q"}\n{"id":"b"}\n', 'a.jsonl')
  expect([line.status, line.body.detail[0].loc]).toEqual([422, ['body', 'file', 2, 'question']])
  await call('POST', '/typed/items', { items: [{ id: 'good', data: { question: 'Q' } }] })
  const stricter = { ...schema, required: ['question', 'tags'] }
  const refused = await call('PUT', '/typed', { item_schema: stricter })
  expect([refused.status, refused.body.detail[0].msg]).toEqual([422, expect.stringContaining("Item 'good': /tags")])
  expect((await call('PUT', '/typed', { item_schema: { type: 'array' } })).status).toBe(422)
  const loose = await call('PUT', '/typed', { item_schema: { properties: { question: { pattern: '^Q(?!x)' } } } })
  expect(loose.body.warnings).toMatchObject([{ field: 'item_schema.properties.question.pattern' }])
})

test('patterns and references of a schema are checked, in bounded time', async () => {
  const item_schema = {
    properties: { question: { pattern: '^Q(a+)+$' }, below: { $ref: '#/$defs/list' } },
    $defs: { list: { type: 'array', items: { $ref: '#' } } },
  }
  const made = await call('POST', '', { name: 'patterned', item_schema })
  expect(made.body.warnings).toBeUndefined()
  const write = (data: object) => call('PUT', '/patterned/items/a', data)
  expect((await write({ question: 'Qaa', below: [{ question: 'Qa' }] })).status).toBe(200)
  const bad = await write({ below: [{ question: 'Q' }] })
  expect([bad.status, bad.body.detail[0].loc]).toEqual([422, ['body', 'below', 0, 'question']])
  const slow = await write({ question: `Q${'a'.repeat(50_000)}!` })
  expect([slow.status, slow.body.detail[0].msg]).toMatchObject([422, expect.stringContaining('must match the pattern')])
  for (const [wrong, at] of [
    [{ properties: { a: { pattern: '(' } } }, ['properties', 'a', 'pattern']],
    [{ $ref: '#/$defs/none' }, ['$ref']],
  ] as const) {
    const refused = await call('PUT', '/patterned', { item_schema: wrong })
    expect([refused.status, refused.body.detail[0].loc]).toEqual([422, ['body', 'item_schema', ...at]])
  }
  const allOf = [{ $ref: '#' }, { $ref: '#' }]
  const endless = await call('PUT', '/patterned', { item_schema: { allOf } })
  expect([endless.status, endless.body.detail]).toMatchObject([413, expect.stringContaining("Item 'a' takes too much")])
})

test('splits are by the id, and stay when items come', async () => {
  await call('POST', '', { name: 'parts', splits: { train: 80, test: 20 } })
  const some = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => ({ id: `i${from + at}`, data: { at: from + at } }))
  await call('POST', '/parts/items', { items: some(0, 50) })
  const before = await ids('/parts/items?split=test')
  await call('POST', '/parts/items', { items: some(50, 100) })
  const [train, held] = [await ids('/parts/items?split=train'), await ids('/parts/items?split=test')]
  expect(train.length + held.length).toBe(100)
  expect(held.filter((id) => before.includes(id))).toEqual(before)
  const item = (await call('GET', `/parts/items/${held[0]}`)).body
  expect(item.split).toBe('test')
  const unknown = await call('GET', '/parts/items?split=dev')
  expect(unknown.body.detail[0].msg).toBe("There is no split 'dev'; the splits are train, test")
})

test('items are searched by a text in their id or data', async () => {
  await call('POST', '', { name: 'found', splits: { train: 50, test: 50 } })
  const items = [
    ...Array.from({ length: 30 }, (_, at) => ({ id: `n${at}`, data: { text: `number ${at}`, deep: [{ at }] } })),
    { id: 'Refund-1', data: { text: 'money back' } },
    { id: 'x', data: { text: 'A "REFUND" of 100 % for Müller_1' } },
  ]
  await call('POST', '/found/items', { items })
  const found = (q: string, more = '') => ids(`/found/items?q=${encodeURIComponent(q)}${more}`)
  expect(await found('refund')).toEqual(['Refund-1', 'x'])
  expect(await found('"refund"')).toEqual(['x'])
  expect(await found('100 %')).toEqual(['x'])
  expect(await found('müller_')).toEqual(['x'])
  expect(await found('number%')).toEqual([])
  expect(await found('number 1')).toHaveLength(11)
  expect(await found('nothing')).toEqual([])
  const { body: first } = await call('GET', '/found/items?q=number&limit=20')
  expect(first).toMatchObject({ total: 32, searched: 32, next_cursor: expect.any(String) })
  const { body: rest } = await call('GET', `/found/items?q=number&limit=20&cursor=${first.next_cursor}`)
  expect([rest.items.length, rest.next_cursor]).toEqual([10, null])
  const parts = [await found('number', '&split=train'), await found('number', '&split=test')]
  expect(parts.flat().toSorted()).toEqual((await found('number')).toSorted())
  await call('DELETE', '/found/items/x')
  expect(await found('refund')).toEqual(['Refund-1'])
  expect(await found('refund', '&version=~1')).toEqual(['Refund-1', 'x'])
  const both = await call('GET', '/found/items?q=a&id=x')
  expect(both.body.detail[0]).toMatchObject({ loc: ['query', 'q'], msg: 'Give id or q, not both' })
})

test('what is exported can be imported again', async () => {
  await call('POST', '', { name: 'from' })
  const items = [
    { id: 'a', data: { text: 'plain, "quoted"\nline', n: 1, formula: '=1+2', expected: null } },
    { id: 'b', data: { text: 'ä', nested: { deep: [1, '2'] }, formula: 'x' } },
    { id: '3', data: { text: '' } },
  ]
  await call('POST', '/from/items', { items })
  for (const format of ['csv', 'jsonl', 'json']) {
    const file = await call('GET', `/from/items/export?format=${format}`)
    expect(file.headers.get('content-disposition')).toBe(`attachment; filename="from-1.${format}"`)
    await call('POST', '', { name: format })
    const made = await importFile(`/${format}/items/import`, file.text, `items.${format}`)
    expect([format, made.body]).toMatchObject([format, { added: 3, count: 3 }])
    const read = (await call('GET', `/${format}/items`)).body.items
    const shown = read.map(({ id, data }: { id: string; data: object }) => ({ id, data }))
    expect([format, shown]).toEqual([format, items])
    const hash = async (name: string) => (await call('GET', `/${name}/versions/~1`)).body.data.items.hash
    expect(await hash(format)).toBe(await hash('from'))
  }
  const replaced = await importFile('/csv/items/import', 'key,text\nb,new\nc,other\n', 'b.csv', {
    ...{ mode: 'replace', id_column: 'key' },
  })
  expect(replaced.body).toMatchObject({ added: 1, changed: 1, removed: 2, count: 2 })
  const again = await importFile('/jsonl/items/import', '{"text":"same"}\n{"text":"same"}\n', 'c.jsonl')
  expect(again.body).toMatchObject({ added: 1 })
})

test('parquet files are imported and exported', async () => {
  await call('POST', '', { name: 'columns' })
  const flat = await importFile('/columns/items/import', new Uint8Array(flatParquet), 'a.parquet')
  expect([flat.status, flat.body]).toEqual([200, expect.objectContaining({ added: 3, count: 3 })])
  expect(
    (await call('GET', '/columns/items')).body.items.map((one: { id: string; data: object }) => [one.id, one.data]),
  ).toEqual([
    ['1', { name: 'a', day: expect.stringMatching(/^2024-/) }],
    ['2', { day: expect.stringMatching(/^2024-/) }],
    ['3', { name: 'c' }],
  ])
  const mixed = { n: 1, f: 1.5, big: 1e300, ok: true, tags: ['a', { b: 1 }], any: 'x', constructor: 'c' }
  const items = [
    { id: 'a', data: mixed },
    { id: 'b', data: { n: -2, f: 2, any: 5, place: { lat: 1.5 } } },
  ]
  await call('POST', '/columns/items', { items, mode: 'replace' })
  const headers = { authorization: `Bearer ${key}` }
  const file = await fetch(`${server.url}/api/v1/datasets/acme/columns/items/export?format=parquet`, { headers })
  expect(file.headers.get('content-disposition')).toMatch(/\.parquet"$/)
  const again = await importFile('/columns/items/import', new Uint8Array(await file.arrayBuffer()), 'a.parquet')
  expect(again.body).toMatchObject({ added: 0, changed: 0, unchanged: 2 })
  const broken = await importFile('/columns/items/import', new Uint8Array(flatParquet).slice(0, 300), 'b.parquet')
  expect([broken.status, broken.body.detail[0].msg]).toEqual([422, expect.stringContaining('not a valid parquet file')])
})

test('files and items that cannot be used are refused', async () => {
  await call('POST', '', { name: 'refusing' })
  const cases = [
    [await importFile('/refusing/items/import', 'x', 'a.txt'), 'neither CSV'],
    [await importFile('/refusing/items/import', '{}', 'a.json'), 'not a JSON list of objects'],
    [await importFile('/refusing/items/import', '{"id":{}}', 'a.jsonl'), 'Line 1 needs a text'],
    [
      await call('POST', '/refusing/items', {
        items: [
          { id: 'a', data: {} },
          { id: 'a', data: { b: 1 } },
        ],
      }),
      "the same id 'a'",
    ],
  ] as const
  for (const [answer, text] of cases)
    expect([answer.status, answer.body.detail[0].msg]).toEqual([422, expect.stringContaining(text)])
  for (const id of ['x'.repeat(3_000), 'a%0Ab']) {
    const answer = await call('PUT', `/refusing/items/${id}`, { a: 1 })
    expect([answer.status, answer.body.detail[0]?.loc]).toEqual([422, ['path', 'item']])
  }
  const many = Array.from({ length: 1001 }, (_, at) => ({ data: { at } }))
  expect((await call('POST', '/refusing/items', { items: many })).status).toBe(413)
})

test('tags name versions', async () => {
  await call('POST', '', { name: 'tagged' })
  await call('POST', '/tagged/items', { items: [{ id: 'a', data: { n: 1 } }] })
  expect((await call('PUT', '/tagged/tags/gold', { version: '~1' })).body).toMatchObject({ tag: 'gold', version: 1 })
  await call('PUT', '/tagged/items/a', { n: 2 })
  expect((await call('GET', '/tagged/items/a?version=gold')).body.data).toEqual({ n: 1 })
  expect((await call('GET', '/tagged/history')).body.versions[1].tags).toEqual(['gold'])
  const misnamed = await call('PUT', '/tagged/tags/gold', { at: '~9' })
  expect([misnamed.status, JSON.stringify(misnamed.body)]).toEqual([422, expect.stringContaining('at')])
  await call('PUT', '/tagged/tags/gold', {})
  expect((await call('GET', '/tagged/items/a?version=gold')).body.data).toEqual({ n: 2 })
  expect((await call('PUT', '/tagged/tags/~1', {})).status).toBe(400)
  expect((await call('DELETE', '/tagged/tags/gold')).status).toBe(200)
  expect((await call('GET', '/tagged/items?version=gold')).body.detail).toBe("Version tag 'gold' not found")
})

test('a dataset is described as a valid Croissant document', async () => {
  await call('POST', '', { name: 'described', description: 'Questions', dataset_metadata: { license: 'CC-BY-4.0' } })
  const empty = await call('GET', '/described/croissant')
  expect([empty.status, empty.body.distribution]).toEqual([200, []])
  await call('POST', '/described/items', {
    items: [
      { id: 'a', data: { question: 'Ä?', n: 1, deep: { x: 1 } } },
      { id: 'b', data: { question: 'B?', n: 1.5 } },
    ],
  })
  const { body, text } = await call('GET', '/described/croissant')
  const [file] = body.distribution
  const target = new URL(file.contentUrl)
  const exported = await server.call('GET', `${target.pathname}${target.search}`, { token: key })
  expect(file).toMatchObject({
    contentSize: `${Buffer.byteLength(exported.text)} B`,
    sha256: createHash('sha256').update(exported.text).digest('hex'),
  })
  const fields = body.recordSet[0].field.map(({ name, dataType }: { name: string; dataType: string }) => [
    name,
    dataType,
  ])
  expect(fields).toEqual([
    ['id', 'sc:Text'],
    ['question', 'sc:Text'],
    ['n', 'sc:Float'],
  ])
  const report = reportCroissant('described.json', Buffer.from(text))
  expect([report.overall_passed, report.errors]).toEqual([true, []])
})

test('a Croissant document names every data file, or says that there are too many', async () => {
  const { body: dataset } = await call('POST', '', { name: 'split-up' })
  const addFiles = (from: number, to: number) =>
    server.database.query(
      `with numbers as (select n, gen_random_uuid() as object from generate_series(${from}, ${to}) n),
         kept as (insert into files (path, collection_id, object, name, content_type, size, sha256)
           select 'acme/_datasets/split-up/' || n, ${dataset.collection_id}, object, n || '.csv', 'text/csv', 1,
             repeat('a', 64) from numbers)
       insert into dataset_files (path, dataset_id, number)
       select 'acme/_datasets/split-up/' || n, ${dataset.id}, n from numbers`,
    )
  await addFiles(0, 2_499)
  const { body } = await call('GET', '/split-up/croissant')
  expect(body.distribution.map(({ name }: { name: string }) => name)).toEqual(
    Array.from({ length: 2_500 }, (_, at) => `${at}.csv`),
  )
  await addFiles(2_500, 20_000)
  const refused = await call('GET', '/split-up/croissant')
  expect([refused.status, refused.body.detail]).toEqual([413, "Dataset 'split-up' has more than 20000 data files"])
})

test('an item whose id is the path of something else is read, changed and removed', async () => {
  await call('POST', '', { name: 'awkward', splits: { train: 1, test: 1 } })
  const ids = ['export', 'diff', 'from-run', 'import', '..', 'a/b?c']
  await call('POST', '/awkward/items', { items: ids.map((id) => ({ id, data: { id } })) })
  for (const id of ids) {
    const { body } = await call('GET', `/awkward/items?id=${encodeURIComponent(id)}`)
    expect(body).toMatchObject({ version: 1, total: 1, items: [{ id, data: { id } }], next_cursor: null })
    const [{ split }] = body.items
    const inSplit = (name: string) => call('GET', `/awkward/items?id=${encodeURIComponent(id)}&split=${name}`)
    expect((await inSplit(split)).body.total).toBe(1)
    expect((await inSplit(split === 'train' ? 'test' : 'train')).body.total).toBe(0)
  }
  expect((await call('PUT', '/awkward/items/export', { id: 'new' })).body).toMatchObject({ changed: 1, version: 2 })
  expect((await call('GET', '/awkward/items?id=export')).body.items[0].data).toEqual({ id: 'new' })
  expect((await call('GET', '/awkward/items?id=export&version=~1')).body.items[0].data).toEqual({ id: 'export' })
  expect((await call('DELETE', '/awkward/items/diff')).body.removed).toBe(1)
  expect((await call('GET', '/awkward/items?id=diff')).body).toMatchObject({ total: 0, items: [] })
  expect((await call('GET', '/awkward/items?id=a&split=none')).status).toBe(422)
})

test('a check says what an import would come to, and writes nothing', async () => {
  await call('POST', '', { name: 'checked', item_schema: { required: ['n'], properties: { n: { type: 'integer' } } } })
  await call('POST', '/checked/items', { items: [1, 2, 3].map((n) => ({ id: `i${n}`, data: { n } })) })
  const lines = [
    { id: 'i1', n: 1 },
    { id: 'i2', n: 20 },
    { id: 'i4', n: 4 },
    { id: 'i5', n: 'x' },
    { id: 'i6' },
    { id: 'i4', n: 5 },
  ]
  const file = lines.map((line) => JSON.stringify(line)).join('\n')
  const check = (fields = {}) => importFile('/checked/items/check', file, 'a.jsonl', fields)
  expect(await check()).toMatchObject({
    status: 200,
    body: {
      ...{ added: 1, changed: 1, unchanged: 1, removed: 0, count: 4, refused_count: 3 },
      refused: [
        { line: 4, id: 'i5', pointer: '/n' },
        { line: 5, id: 'i6', pointer: '/n' },
        { line: 6, id: 'i4', pointer: '', message: 'has the id of line 3' },
      ],
      items: [
        { line: 1, id: 'i1', change: 'unchanged', data: { n: 1 } },
        { line: 2, id: 'i2', change: 'changed' },
        { line: 3, id: 'i4', change: 'added' },
      ],
    },
  })
  expect((await check({ mode: 'replace' })).body).toMatchObject({ removed: 1, count: 3 })
  const wrong = JSON.stringify(Array.from({ length: 150 }, () => ({ n: null })))
  const { body } = await importFile('/checked/items/check', wrong, 'a.json')
  expect(body).toMatchObject({ refused_count: 150, added: 0, count: 3 })
  expect(body.refused).toHaveLength(100)
  expect((await importFile('/checked/items/check', 'a,b\n1', 'a.csv')).body.detail[0]).toMatchObject({
    msg: 'Line 2 has 1 cells, but the header line has 2',
  })
  expect((await call('GET', '/checked')).body.version).toBe(1)
})
