import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'
import type { Body } from '../../server.ts'

let server: ApiServer
let key: string
const make = (collection: string, task: object) =>
  server.call('POST', `/api/v1/tasks/${collection}`, { body: { workflow: {}, ...task } })

beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'second', 'foreign']) {
    await server.call('POST', '/api/v1/collections/', { body: { name } })
  }
  key = await server.makeKey(['acme', 'second'])
  await make('acme', {
    name: 'in-workflow',
    workflow: { step_configs: { say: { text: 'the Needle is here' } }, steps: [] },
  })
  await make('acme', { name: 'in-description', description: 'where the NEEDLE is' })
  await make('acme', { name: 'a-Needle-in-name', description: 'needle', is_private: false })
  await make('acme', { name: 'hay' })
  await make('second', { name: 'needle' })
  await make('foreign', { name: 'needle' })
})
afterAll(() => server?.close())

const search = (place: string, query: Record<string, string>, token: string | null = key) =>
  server.call('GET', `/api/v1/tasks/${place}search?${new URLSearchParams(query)}`, { token })
const names = (body: Body) => body.tasks.map((task: Body) => `${task.collection_name}/${task.name}`)

test('hits in the name come first, then in the description, then in the workflow', async () => {
  const { status, body } = await search('acme/', { q: 'nEEdle' })
  expect(status).toBe(200)
  expect(names(body)).toEqual(['acme/a-Needle-in-name', 'acme/in-description', 'acme/in-workflow'])
  expect([body.found, body.q]).toEqual([3, 'nEEdle'])
  expect(body.hits[0]).toEqual({
    document: {
      collection_name: 'acme',
      entity_name: 'a-Needle-in-name',
      full_name: 'acme/a-Needle-in-name',
      entity_type: 'task',
      metadata: null,
      is_private: false,
      description: 'needle',
    },
  })
  expect(body.hits.map((hit: Body) => hit.document.full_name)).toEqual(names(body))
  const [, , listed] = body.tasks
  const all = await server.call('GET', '/api/v1/tasks/acme', { token: key })
  expect(listed).toEqual(all.body[0])
})

test('all collections that the token covers, and no others', async () => {
  expect(names((await search('', { q: 'needle' })).body)).toEqual([
    'acme/a-Needle-in-name',
    'second/needle',
    'acme/in-description',
    'acme/in-workflow',
  ])
  const reader = await server.makeKey(['foreign'], 'READ')
  const { body } = await search('', { q: 'needle' }, reader)
  expect([names(body), body.found]).toEqual([['foreign/needle'], 1])
  expect((await search('', { q: 'needle' }, server.admin)).body.found).toBe(5)
})

test('`limit` bounds what is answered, `found` counts all', async () => {
  const { body } = await search('', { q: 'needle', limit: '2' })
  expect([names(body), body.hits.length, body.found]).toEqual([['acme/a-Needle-in-name', 'second/needle'], 2, 4])
  for (let i = 0; i < 35; i++) await make('second', { name: `many-${i}` })
  const many = (await search('second/', { q: 'many-' })).body
  expect([many.tasks.length, many.found]).toEqual([30, 35])
  expect(names(many)[0]).toBe('second/many-0')
})

test('a full name, or a part of one, finds its task; the name of a collection all of its tasks, last', async () => {
  await make('acme', { name: 'parent', workflow: { step_configs: { child: { task: 'second/needle' } }, steps: [] } })
  expect(names((await search('', { q: 'SECOND/need' })).body)).toEqual(['second/needle', 'acme/parent'])
  expect(names((await search('acme/', { q: 'second/needle' })).body)).toEqual(['acme/parent'])
  await make('acme', { name: 'about-acme' })
  const { body } = await search('acme/', { q: 'acme' })
  const listed = (await server.call('GET', '/api/v1/tasks/acme', { token: key })).body
  expect([body.found, names(body)[0]]).toEqual([listed.length, 'acme/about-acme'])
})

test('every character stands for itself', async () => {
  await make('acme', { name: 'percent', description: '100% sure_thing C:\\temp' })
  await make('acme', { name: 'decoy', description: '100 sureXthing C:/temp' })
  await make('acme', { name: 'umlaut', description: 'Größe' })
  for (const q of ['100%', 'sure_', 'C:\\t', '0% s', '\\', '%', '_thing']) {
    expect([q, names((await search('acme/', { q })).body)]).toEqual([q, ['acme/percent']])
  }
  expect(names((await search('acme/', { q: 'GRÖSSE' })).body)).toEqual([])
  expect(names((await search('acme/', { q: 'GRÖ' })).body)).toEqual(['acme/umlaut'])
  expect((await search('acme/', { q: "'; drop table tasks; --" })).body).toMatchObject({
    found: 0,
    hits: [],
    tasks: [],
  })
})

test('what a hit has of the workflow is the stored text', async () => {
  const workflow = '{"steps":[],"z":1.50,"init_params":{"10":1,"9":12345678901234567890}}'
  await server.call('POST', '/api/v1/tasks/acme', { body: `{"name":"verbatim","workflow":${workflow}}` })
  expect((await search('acme/', { q: '1.50,"init' })).text).toContain(`"workflow":${workflow}`)
})

test('refusals', async () => {
  for (const query of [{}, { q: '' }, { q: '\0' }] as Record<string, string>[]) {
    for (const place of ['', 'acme/']) {
      const answer = await search(place, query)
      expect([answer.status, answer.body.detail[0].loc]).toEqual([422, ['query', 'q']])
    }
  }
  for (const limit of ['0', '101', 'x']) expect((await search('acme/', { q: 'x', limit })).status).toBe(422)
  for (const place of ['', 'acme/']) expect((await search(place, { q: 'x' }, null)).status).toBe(401)
  expect((await search('foreign/', { q: 'x' })).body).toMatchObject({
    detail: "Collection with name 'foreign' not found",
  })
  expect((await search('nope/', { q: 'x' })).body).toMatchObject({ detail: "Collection with name 'nope' not found" })
})
