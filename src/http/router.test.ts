import { expect, test } from 'vitest'
import { makeRouter, splitTarget } from './router.ts'

test.each([
  ['/', []],
  ['/a/b', ['a', 'b']],
  ['/a/b/', ['a', 'b']],
  ['/a%20b/%2F/%2541', ['a b', '/', '%41']],
  ['/a?x=/b#c', ['a']],
  ['http://host:1/a/b', ['a', 'b']],
  ['http://host', []],
  ['/a//b', ['a', 'b']],
  ['//a/b', ['a', 'b']],
  ['//', []],
  ['/a/b//', ['a', 'b']],
  ['//../b', undefined],
  ['/a/../b', undefined],
  ['/a/%2e%2E', undefined],
  ['/a/%2e', undefined],
  ['/a\\b', undefined],
  ['/a%00', undefined],
  ['/a%', undefined],
  ['/%c3%28', undefined],
  ['*', undefined],
  ['', []],
])('%s', (target, segments) => {
  expect(splitTarget(target)).toEqual(segments)
})

const router = makeRouter<string>()
router.add('GET', '/tasks/{collection}', 'list')
router.add('POST', '/tasks/{collection}', 'create')
router.add('GET', '/tasks/search', 'search')
router.add('GET', '/tasks/{c}/{t}', 'get')
router.add('DELETE', '/tasks/{collection}/{task}', 'delete')
router.add('GET', '/file/{path...}', 'file')
router.add('GET', '/file/upload', 'upload')

const find = (method: string, path: string) => router.find(method, splitTarget(path) ?? [])

test('fixed segments win, and other methods still reach the parameter', () => {
  expect(find('GET', '/tasks/search')).toEqual({ value: 'search', params: {} })
  expect(find('POST', '/tasks/search')).toEqual({ value: 'create', params: { collection: 'search' } })
  expect(find('HEAD', '/tasks/acme')).toEqual({ value: 'list', params: { collection: 'acme' } })
})

test('parameters carry the names of their own route', () => {
  expect(find('GET', '/tasks/acme/x')).toEqual({ value: 'get', params: { c: 'acme', t: 'x' } })
  expect(find('DELETE', '/tasks/acme/x')).toEqual({ value: 'delete', params: { collection: 'acme', task: 'x' } })
})

test('the rest of a path is joined; a slash inside a segment makes it unknown', () => {
  expect(find('GET', '/file/a/b%20c/d')).toEqual({ value: 'file', params: { path: 'a/b c/d' } })
  expect(find('GET', '/file/upload')).toEqual({ value: 'upload', params: {} })
  expect(find('GET', '/file/a%2Fb')).toBeUndefined()
  expect(find('GET', '/file')).toBeUndefined()
})

test('a wrong method is told from a wrong path', () => {
  expect(find('PUT', '/tasks/search')).toEqual({ allow: ['GET', 'HEAD', 'POST'] })
  expect(find('GET', '/nothing')).toBeUndefined()
  expect(() => router.add('GET', '/tasks/{other}', 'twice')).toThrow('declared twice')
})
