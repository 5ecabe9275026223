import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeAnswerCache, sweepAnswerCache } from '../../../src/store/calls/answer-cache.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'

const limits = { seconds: 3600, entryBytes: 100, entries: 3, bytes: 250 }
let server: ApiServer
let ids: number[]
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  ids = (await server.database.query<{ id: number }>('select id from collections order by id')).map(({ id }) => id)
})
afterAll(() => server?.close())
beforeEach(async () => {
  await server.database.query('truncate answer_cache')
})

const answer = (text: string) => ({
  provider: 'openai',
  model: 'gpt-4o',
  contentType: 'application/json',
  body: Buffer.from(text),
})
const key = (hash: string, place = 0) => ({ collectionId: ids[place] ?? 0, hash })
const hashes = async () =>
  (await server.database.query<{ hash: string }>('select hash from answer_cache order by hash')).map(({ hash }) => hash)

test('an answer is found again by the same collection, and is the last that was kept', async () => {
  const cache = makeAnswerCache(server.database, limits)
  await cache.keep(key('a'), answer('one'))
  expect(await Promise.all([cache.find(key('a')), cache.find(key('b')), cache.find(key('a', 1))])).toEqual([
    answer('one'),
    undefined,
    undefined,
  ])
  await cache.keep(key('a'), answer('two'))
  expect((await cache.find(key('a')))?.body.toString()).toBe('two')
})

test('one that is too large is not kept, nor one of a collection that is gone', async () => {
  const cache = makeAnswerCache(server.database, limits)
  await cache.keep(key('a'), answer('x'.repeat(101)))
  await cache.keep({ collectionId: 999, hash: 'a' }, answer('one'))
  expect(await hashes()).toEqual([])
})

test('one that is too old is not given again, and goes; so does what is too much, the oldest first', async () => {
  const cache = makeAnswerCache(server.database, limits)
  const age = (hash: string, minutes: number) =>
    server.database.query(
      "update answer_cache set created_at = created_at - $2 * interval '1 minute' where hash = $1",
      [hash, minutes],
    )
  await cache.keep(key('old'), answer('one'))
  await age('old', 61)
  expect(await cache.find(key('old'))).toBeUndefined()
  for (const [at, hash] of ['d', 'c', 'b', 'a'].entries()) {
    await cache.keep(key(hash), answer('small'))
    await age(hash, 10 - at)
  }
  await cache.keep(key('z', 1), answer('small'))
  await sweepAnswerCache(server.database, limits)
  expect(await hashes()).toEqual(['a', 'b', 'c', 'z'])
  for (const hash of ['e', 'f', 'g']) await cache.keep(key(hash), answer('x'.repeat(100)))
  await sweepAnswerCache(server.database, limits)
  expect((await hashes()).length).toBe(3) // two large ones, and that of the other collection
})

test('they go with their collection', async () => {
  await server.call('POST', '/api/v1/collections/', { body: { name: 'gone' } })
  const [row] = await server.database.query<{ id: number }>("select id from collections where name = 'gone'")
  const cache = makeAnswerCache(server.database, limits)
  await cache.keep({ collectionId: row?.id ?? 0, hash: 'a' }, answer('one'))
  expect(await hashes()).toEqual(['a'])
  await server.call('DELETE', '/api/v1/collections/gone')
  expect(await hashes()).toEqual([])
})
