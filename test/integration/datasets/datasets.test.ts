import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { entityListText } from '../../../src/api/entities/find.ts'
import { insertDatasetFile } from '../../../src/store/entities/dataset-files.ts'
import { lockEntity } from '../../../src/store/entities/write-entity.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
let key: string
let reader: string
let stranger: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  key = await server.makeKey(['acme'])
  reader = await server.makeKey(['acme'], 'READ')
  stranger = await server.makeKey(['other'])
})
afterAll(() => server?.close())

const call = (method: string, path: string, body?: unknown, token: string | null = key) =>
  server.call(method, `/api/v1${path}`, { token, body })
const upload = async (path: string, field: string, content: string, filename = 'data.tar.gz', method = 'POST') => {
  const form = new FormData()
  form.append(field, new File([content], filename))
  const headers = { authorization: `Bearer ${key}` }
  const response = await fetch(`${server.url}/api/v1${path}`, { method, headers, body: form })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

test('a dataset is created, read, listed, changed and deleted', async () => {
  const made = await call('POST', '/datasets/acme', {
    name: 'Jobs',
    description: 'All jobs',
    dataset_metadata: { b: 1, a: 2 },
  })
  expect(made.status).toBe(200)
  expect(made.body).toMatchObject({
    ...{ name: 'Jobs', description: 'All jobs', long_description: 'All jobs', data_path: null, format: null },
    ...{
      entity_type: 'dataset',
      is_private: true,
      collection_name: 'acme',
      version: 0,
      item_schema: null,
      splits: null,
    },
  })
  expect(Object.keys(made.body.dataset_metadata)).toEqual(['b', 'a'])
  const read = await call('GET', '/datasets/ACME/jobs', undefined, reader)
  expect([read.status, read.body]).toEqual([200, made.body])
  expect((await call('POST', '/datasets/acme', { name: 'JOBS' })).body.detail).toBe('Dataset already exists')

  for (const path of ['/datasets/acme', '/collections/acme/datasets/']) {
    const listed = await call('GET', path)
    expect([path, listed.status, listed.body.map((one: { name: string }) => one.name)]).toEqual([path, 200, ['Jobs']])
  }
  const changed = await call('PUT', '/datasets/acme/jobs', { format: 'csv', long_description: null })
  expect(changed.body).toMatchObject({ format: 'csv', description: null, version: 1 })
  expect((await call('PUT', '/datasets/acme/jobs', {})).body.version).toBe(1)
  const patched = await call('PATCH', '/datasets/acme/jobs/metadata', { '@type': 'sc:Dataset', z: 1, a: 1 })
  expect(patched.body).toMatchObject({ version: 2, dataset_metadata: { '@type': 'sc:Dataset' } })
  const croissant = await call('GET', '/datasets/acme/jobs/mlcroissant')
  expect(croissant.text).toBe('{"@type":"sc:Dataset","z":1,"a":1}')

  expect((await call('DELETE', '/datasets/acme/jobs', undefined, reader)).status).toBe(403)
  const deleted = await call('DELETE', '/datasets/acme/jobs')
  expect(deleted.body).toEqual({ message: 'Dataset deleted successfully' })
  for (const path of ['', '/history', '/data', '/mlcroissant']) {
    const gone = await call('GET', `/datasets/acme/jobs${path}`)
    expect([path, gone.status, gone.body.detail]).toEqual([path, 404, 'Dataset not found'])
  }
})

test('a change for an older state is refused', async () => {
  const made = await call('POST', '/datasets/acme', { name: 'tagged' })
  const etag = made.headers.get('etag') ?? ''
  const put = (match: string) =>
    server.call('PUT', '/api/v1/datasets/acme/tagged', {
      token: key,
      body: { format: 'csv' },
      headers: { 'if-match': match },
    })
  expect((await put(etag)).status).toBe(200)
  const late = await put(etag)
  expect([late.status, late.body.detail]).toEqual([412, expect.stringContaining("Dataset 'tagged' has been changed")])
})

test('versions are found by index, hash and tag', async () => {
  await call('POST', '/datasets/acme', { name: 'old', metadata_version: '1.0.0', dataset_metadata: { a: 1 } })
  await call('PUT', '/datasets/acme/old', { metadata_version: '1.1.0', dataset_metadata: { a: 2 } })
  await call('PUT', '/datasets/acme/old', { is_private: false })
  const { body } = await call('GET', '/datasets/acme/old/history?include_changeset=1')
  expect(body).toMatchObject({ entity_name: 'old', entity_type: 'dataset', collection_name: 'acme', total_versions: 3 })
  expect(body.versions.map((one: { index: number; tags: string[] }) => [one.index, one.tags])).toEqual([
    [2, ['1.1.0']],
    [1, ['1.1.0']],
    [0, ['1.0.0']],
  ])
  expect(body.versions[2].changeset).toEqual({
    ...{ name: 'old', entity_type: 'dataset', is_private: true, metadata_version: '1.0.0', dataset_metadata: { a: 1 } },
  })
  const version = (ref: string) => call('GET', `/datasets/acme/old/versions/${encodeURIComponent(ref)}`)
  const first = (await version('~0')).body
  const sorted = JSON.stringify(Object.fromEntries(Object.entries(first.data).sort(([a], [b]) => (a < b ? -1 : 1))))
  expect(first.content_hash).toBe(createHash('sha256').update(sorted).digest('hex'))
  expect((await version(first.content_hash)).body).toEqual(first)
  expect((await version('1.0.0')).body.index).toBe(0)
  expect((await version('1.1.0')).body.index).toBe(2)
  expect((await version('~-1')).body.data.is_private).toBe(false)
  for (const [ref, status, detail] of [
    ['~9', 404, 'Version index ~9 out of range (0-2)'],
    ['~x', 400, 'Invalid version index: ~x'],
    ['a'.repeat(64), 404, `Version hash '${'a'.repeat(64)}' not found`],
    ['none', 404, "Version tag 'none' not found"],
  ] as const) {
    const answer = await version(ref)
    expect([ref, answer.status, answer.body.detail]).toEqual([ref, status, detail])
  }
})

test('data files are numbered, also when several come at once', async () => {
  await call('POST', '/datasets/acme', { name: 'files' })
  const first = await upload('/datasets/acme/files/data', 'data_file', 'zero')
  expect([first.status, first.body]).toEqual([
    200,
    {
      ...{ success: true, file_path: 'acme/_datasets/files/data.000000.tar.gz', file_number: 0 },
      ...{ collection_name: 'acme', dataset_name: 'files' },
    },
  ])
  expect((await call('GET', '/datasets/acme/files')).body.data_path).toBe('acme/_datasets/files/data.000000.tar.gz')
  const more = await Promise.all([1, 2, 3, 4].map((n) => upload('/datasets/acme/files/data', 'data_file', `n${n}`)))
  expect(more.map(({ body }) => body.file_number).sort()).toEqual([1, 2, 3, 4])
  const other = await upload('/datasets/acme/files/data', 'data_file', 'a,b\n1,2\n', 'Table.CSV')
  expect(other.body.file_path).toBe('acme/_datasets/files/data.000005.csv')

  const one = (await call('GET', '/datasets/acme/files/data/0')).body
  expect(one).toMatchObject({ file_number: 0, size: 4, sha256: createHash('sha256').update('zero').digest('hex') })
  const path = new URL(one.download_url).pathname
  const bytes = await server.call('GET', path, { token: reader })
  expect([bytes.status, bytes.text]).toEqual([200, 'zero'])
  const latest = await call('GET', '/datasets/data/latest/acme/files')
  expect(latest.headers.get('content-disposition')).toBe('attachment; filename="data.000005.csv"')
  const page = (await call('GET', '/datasets/acme/files/data?after=0&limit=2')).body
  expect([page.files.map((file: { file_number: number }) => file.file_number), page.has_more]).toEqual([[1, 2], true])

  const renamed = await call('PUT', '/datasets/acme/files', { name: 'kept' })
  expect(renamed.body).toMatchObject({ name: 'kept', data_path: 'acme/_datasets/kept/data.000000.tar.gz' })
  await call('POST', '/datasets/acme', { name: 'files' })
  expect((await upload('/datasets/acme/files/data', 'data_file', 'new')).body.file_number).toBe(0)
  expect((await call('GET', '/datasets/acme/kept/data/0')).body.file_path).toBe(
    'acme/_datasets/kept/data.000000.tar.gz',
  )

  const before = await server.objectCount()
  await call('DELETE', '/datasets/acme/kept')
  expect(await server.objectCount()).toBe(before - 6)
})

test('a dataset that is deleted while a file is uploaded leaves no file', async () => {
  const { id } = (await call('POST', '/datasets/acme', { name: 'raced' })).body
  const { database } = server
  const blocked = () =>
    database.rows(
      'test_blocked',
      "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    )
  let deleted: ReturnType<typeof call> | undefined
  await database.transaction(async (queries) => {
    const row = await lockEntity(queries, id)
    deleted = call('DELETE', '/datasets/acme/raced')
    await expect.poll(async () => (await blocked()).length).toBe(1)
    const at = { datasetId: id, collectionId: row?.collection_id ?? 0, number: 0 }
    const file = { path: 'acme/_datasets/raced/data.000000.tar.gz', object: randomUUID(), name: 'data.000000.tar.gz' }
    await insertDatasetFile(queries, at, { ...file, contentType: 'application/gzip', size: 1, sha256: '' })
  })
  expect((await deleted)?.body).toEqual({ message: 'Dataset deleted successfully' })
  await call('POST', '/datasets/acme', { name: 'raced' })
  expect((await upload('/datasets/acme/raced/data', 'data_file', 'new')).body.file_number).toBe(0)
})

test('what datasets and models store counts for the quota, until they are deleted', async () => {
  await server.call('POST', '/api/v1/collections/', { body: { name: 'small' } })
  const token = await server.makeKey(['small'])
  const settings = { quota: { stored_bytes: 100_000 } }
  await server.call('PATCH', '/api/v1/collections/small/settings', { body: settings })
  const put = (path: string, body: object) => call('PUT', path, body, token)
  await call('POST', '/datasets/small', { name: 'd' }, token)
  await call('POST', '/models/small', { name: 'm', model_path: 'x' }, token)
  const large = 'x'.repeat(60_000)
  expect((await put('/datasets/small/d', { dataset_metadata: { large } })).status).toBe(200)
  expect((await put('/models/small/m', { model_metadata: { large } })).status).toBe(200)
  const refused = await put('/datasets/small/d', { format: 'csv' })
  expect([refused.status, refused.body.detail]).toEqual([429, expect.stringContaining('its quota is 97.7 KiB')])
  expect((await put('/models/small/m', { asset_origin: 'a' })).status).toBe(429)
  await call('DELETE', '/datasets/small/d', undefined, token)
  await call('DELETE', '/models/small/m', undefined, token)
  const again = async () => (await call('POST', '/datasets/small', { name: 'd' }, token)).status
  await expect.poll(again, { interval: 300 }).toBe(200)
})

test('a list waits for the memory that its metadata take, and a search leaves large metadata out', async () => {
  await call('POST', '/models/acme', { name: 'heavy', model_path: 'x' })
  const grow = `update entities set metadata = '{"large":"' || repeat('x', 1100000) || '"}' where name = 'heavy'`
  await server.database.rows('test_grow', grow)
  let taken = 0
  const take = (bytes: number) => {
    taken += bytes
    return undefined
  }
  const { collection_id: id } = (await call('GET', '/models/acme/heavy')).body
  const at = { kind: 'trained_model' as const, collectionIds: [id] }
  const text = await entityListText(server.database, { take, giveBack: () => {} }, at, { skip: 0, limit: 10 })
  expect([JSON.parse(text).length, taken > 3_300_000]).toEqual([1, true])
  const { hits } = (await call('GET', '/models/search?q=heavy')).body
  expect(hits).toEqual([{ document: expect.objectContaining({ entity_name: 'heavy', metadata: null }) }])
})

test('uploads that cannot be stored leave nothing', async () => {
  await call('POST', '/datasets/acme', { name: 'empty' })
  const before = await server.objectCount()
  const cases = [
    [await upload('/datasets/acme/empty/data', 'data_file', ''), 400, 'Uploaded file is empty'],
    [await upload('/datasets/acme/nope/data', 'data_file', 'x'), 404, "Dataset 'nope' not found in collection 'acme'"],
    [await upload('/datasets/nope/empty/data', 'data_file', 'x'), 404, "Collection 'nope' not found"],
    [
      await upload('/datasets/acme/empty/data', 'data_file', 'x'.repeat(1024 * 1024 + 1)),
      413,
      'File too large. Maximum allowed size is 1 MiB',
    ],
  ] as const
  for (const [answer, status, detail] of cases) expect([answer.status, answer.body.detail]).toEqual([status, detail])
  expect((await call('GET', '/datasets/data/latest/acme/empty')).body.detail).toBe(
    'No data files found for this dataset',
  )
  expect((await call('GET', '/datasets/acme/empty/data/x')).status).toBe(404)
  expect(await server.objectCount()).toBe(before)
})

test('a preview is stored, replaced and removed', async () => {
  await call('POST', '/datasets/acme', { name: 'shown' })
  const missing = await call('GET', '/datasets/acme/shown/preview')
  expect([missing.status, missing.body.detail]).toEqual([404, 'Dataset preview not found or incomplete'])
  const put = (content: string, filename: string) =>
    upload('/datasets/acme/shown/preview', 'preview_update', content, filename, 'PUT')
  const before = await server.objectCount()
  expect((await put('a,b\n', 'p.csv')).body).toMatchObject({ preview: 'a,b\n', preview_type: 'text/csv', version: 0 })
  expect((await put('{}', 'p.json')).body).toMatchObject({ preview: '{}', preview_type: 'application/json' })
  const read = await call('GET', '/datasets/acme/shown/preview')
  expect([read.status, read.text, read.headers.get('content-type')]).toEqual([200, '{}', 'application/json'])
  expect(await server.objectCount()).toBe(before + 1)
  expect((await put('', 'p.json')).body).toMatchObject({ preview: null, preview_type: null })
  expect(await server.objectCount()).toBe(before)
})

test('private datasets are for their collection, public ones for everybody', async () => {
  await call('POST', '/datasets/acme', { name: 'hidden', description: 'needle' })
  await call('POST', '/datasets/acme', {
    name: 'open',
    description: 'needle',
    is_private: false,
    dataset_metadata: { '@id': 'x', deep: {} },
  })
  expect((await call('GET', '/datasets/acme/hidden', undefined, null)).status).toBe(401)
  expect((await call('GET', '/datasets/acme/nope', undefined, null)).status).toBe(401)
  const foreign = await call('GET', '/datasets/acme/hidden', undefined, stranger)
  const unknown = await call('GET', '/datasets/acme/nope', undefined, stranger)
  expect([foreign.status, foreign.body]).toEqual([404, unknown.body])
  for (const token of [null, stranger])
    expect((await call('GET', '/datasets/acme/open', undefined, token)).status).toBe(200)
  expect((await call('PUT', '/datasets/acme/open', { format: 'x' }, stranger)).status).toBe(404)
  const names = async (token: string | null) =>
    (await call('GET', '/datasets/search?q=NEEDLE', undefined, token)).body.hits.map(
      ({ document }: { document: { full_name: string } }) => document.full_name,
    )
  expect(await names(null)).toEqual(['dataset/acme/open'])
  expect(await names(stranger)).toEqual(['dataset/acme/open'])
  expect(await names(reader)).toEqual(['dataset/acme/hidden', 'dataset/acme/open'])
  const [hit] = (await call('GET', '/datasets/search?q=dataset/acme/open')).body.hits
  expect(hit.document.metadata).toEqual({ __id: 'x' })
})
