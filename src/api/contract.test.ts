import { expect, test } from 'vitest'
import type { Gateway } from '../gateway/gateway.ts'
import { makeRouter } from '../http/router.ts'
import { contract } from './contract.ts'
import { gatewayRoutes } from './gateway/routes.ts'
import { about, openApiDocument, openApiPath } from './reference.ts'
import { type ApiDeps, apiRoutes } from './routes.ts'

interface Document {
  paths: Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>
  components: { schemas: object }
  servers: object[]
  info: object
  tags: { name: string; description?: string }[]
}

interface SchemaPart {
  type?: unknown
  items?: unknown
  properties?: unknown
  additionalProperties?: { anyOf?: { type?: string }[] }
}

// Routes only tie functions together when they are made, so most of what they need may be absent here.
const routes = apiRoutes({ activities: new Map(), settings: {} } as unknown as ApiDeps)
const modelRoutes = gatewayRoutes({
  gateway: {} as Gateway,
  runbookChat: () => Promise.reject(new Error('nobody asks')),
})
const all = [...routes, ...modelRoutes]
const document = openApiDocument(contract, { ...about, version: '0' }) as unknown as Document
const text = JSON.stringify(document)

test('every operation of the contract is routed, and nothing else', () => {
  expect(all.map((route) => route.operation).sort()).toEqual(Object.keys(contract).sort())
  for (const route of all) expect([route.operation, typeof route.handle]).toEqual([route.operation, 'function'])
})

test('OpenAPI has exactly the operations that are routed', () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => `${method.toUpperCase()} ${path} ${one.operationId}`),
  )
  const routed = all.map(({ endpoint, operation }) => `${endpoint.method} ${openApiPath(endpoint.path)} ${operation}`)
  expect(described.sort()).toEqual(routed.sort())
})

test('no two operations share a path and method, aliases included', () => {
  const router = makeRouter<string>()
  for (const [name, one] of Object.entries(contract)) {
    for (const path of [one.path, ...one.aliases]) router.add(one.method, path, name)
  }
})

test('parameters of a path are described and have the names that clients know', () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    for (const one of Object.values(methods)) {
      expect(one.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(names)
    }
    expect(names.filter((name) => ['c', 't', 'collection_name', 'task_name', 'trajectoryId'].includes(name!))).toEqual(
      [],
    )
  }
})

test('every answer says what it means, and a call of the gateway which headers it takes', () => {
  expect(text).not.toContain('"description":"Error"')
  const { parameters } = document.paths['/v1/messages']!.post!
  expect(parameters.map(({ name }) => name)).toEqual(['X-Jetty-Collection', 'X-Jetty-Labels', 'X-Jetty-Record'])
})

test('a strict linter and generators of clients find nothing to object to', () => {
  const { servers, info, tags, paths } = document
  expect(servers).toEqual([{ url: '/' }])
  expect(info).toMatchObject({ title: 'Jetty', description: expect.any(String), license: { identifier: 'MIT' } })
  expect(tags.filter(({ description }) => !description)).toEqual([])
  const templates = Object.keys(paths).map((path) => path.replace(/\{\w+\}/g, '{}'))
  expect(templates.filter((path, at) => templates.indexOf(path) !== at)).toEqual([])
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
  const faults: string[] = []
  const walk = (value: unknown, place: string): void => {
    if (typeof value !== 'object' || value === null) return
    const { type, items, properties, additionalProperties: more } = value as SchemaPart
    const isList = type === 'array' && !place.endsWith('/default') && !place.endsWith('/properties')
    if (isList && (typeof items !== 'object' || items === null)) faults.push(`${place}: a list without items`)
    // Orval has no name for an object that is one of several kinds of further members.
    const options = (properties ? more?.anyOf : undefined) ?? []
    if (options.some((one) => one.type === 'object')) faults.push(`${place}: further members without a name`)
    for (const [name, one] of Object.entries(value)) walk(one, `${place}/${name}`)
  }
  walk(document, '')
  expect(faults).toEqual([])
})

test('every reference inside of the document leads somewhere', () => {
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    expect(document.components.schemas).toHaveProperty([name!])
  }
  expect(text).not.toContain('$defs')
})
