import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contract } from '../../src/api/contract.ts'
import { makeCaller } from '../../src/client/caller.ts'
import { makeClient } from '../../src/client/client.ts'
import { describeOperations } from '../../src/client/operations.ts'
import type { Endpoint } from '../../src/http/endpoint.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'

const endpoints: [string, Endpoint][] = Object.entries(contract)
const names = endpoints.map(([name]) => name).sort()

/** `{path...}` of the router is `{path}` in an OpenAPI document. */
const documented = (path: string): string => path.replace('...}', '}')

describe('one definition for each operation', () => {
  let jetty: TestServer
  beforeAll(async () => {
    jetty = await startTestServer()
  })
  afterAll(() => jetty?.close())

  it('stands in the OpenAPI document, at its path and method, and nothing else does', async () => {
    const { body } = await jetty.call('GET', '/openapi.json')
    const found = Object.entries(body.paths as Record<string, Record<string, Body>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`),
    )
    expect(found.sort()).toEqual(
      endpoints.map(([name, { method, path }]) => `${name} ${method} ${documented(path)}`).sort(),
    )
  })

  it('is routed: every path and alias leads somewhere with its method, and is 405 with another', async () => {
    for (const [name, endpoint] of endpoints) {
      for (const path of [endpoint.path, ...endpoint.aliases]) {
        const target = path.replace(/\{\w+(\.\.\.)?\}/g, 'x')
        const answer = await jetty.call('PROPFIND', target)
        expect([name, answer.status]).toEqual([name, 405])
        expect([name, answer.headers.get('allow')?.split(', ')]).toEqual([
          name,
          expect.arrayContaining([endpoint.method]),
        ])
      }
    }
  })

  it('is a function of the typed client', () => {
    const operations = describeOperations(contract)
    const client = makeClient(operations, makeCaller(operations, { url: jetty.url, token: undefined }))
    expect(Object.keys(client).sort()).toEqual(names)
  })

  it('is what the build wrote down for the command line', async () => {
    const built = readFileSync(join(dirname(await builtProgram()), 'client/operations.json'), 'utf8')
    expect(JSON.parse(built)).toEqual(JSON.parse(JSON.stringify(describeOperations(contract))))
  })

  it('is in the built client without any schema', async () => {
    const built = join(dirname(await builtProgram()), 'client')
    expect(readFileSync(join(built, 'wire-operations.js'), 'utf8')).not.toMatch(/^import/m)
    expect(readFileSync(join(built, 'create-client.js'), 'utf8')).not.toMatch(/contract|version\.js/)
  })

  it('answers through the client as over HTTP', async () => {
    const operations = describeOperations(contract)
    const connection = { url: jetty.url, token: jetty.server.adminToken }
    const client = makeClient(operations, makeCaller(operations, connection))
    const collections = await client.listCollections()
    expect(collections.map(({ name }) => name)).toContain('acme')
    await expect(client.getTask({ params: { collection: 'acme', task: 'none' } })).rejects.toMatchObject({
      code: 'not_found',
      message: "Task 'none' in collection 'acme' not found",
    })
  })
})
