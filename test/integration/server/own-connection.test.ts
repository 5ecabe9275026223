import { afterAll, beforeAll, expect, test } from 'vitest'
import { isDatabaseAway } from '../../../src/store/database/away.ts'
import { makeOwnConnection, type OwnConnection } from '../../../src/store/database/own-connection.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const timeoutMs = 500
const standStill = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)

let created: TestDatabase
let own: OwnConnection
beforeAll(async () => {
  created = await createTestDatabase()
  own = makeOwnConnection({ url: created.url, name: 'test', session: {}, timeoutMs })
})
afterAll(async () => {
  await own?.close()
  await created?.drop()
})

test('what was answered while this process stood still is no statement that was lost', async () => {
  expect(await own.rows('one', 'select 1 as one')).toEqual([{ one: 1 }])
  const asked = own.rows('two', 'select 2 as two')
  await new Promise((resolve) => setImmediate(resolve)) // it is sent
  standStill(2 * timeoutMs)
  expect(await asked).toEqual([{ two: 2 }])
})

test('large bytes arrive as the text that they are, also between other statements and after a refusal', async () => {
  await own.rows('make', 'create table texts (id text primary key, body text not null)')
  const keep = (id: string, body: Buffer) =>
    own.rows<{ id: string }>('keep', 'insert into texts values ($1, $2) returning id', [id, body])
  const large = Buffer.from(JSON.stringify({ text: 'ä"\\\n😀'.repeat(40_000) }))
  const [kept] = await Promise.all([keep('large', large), own.rows('one', 'select 1 as one')])
  expect(kept).toEqual([{ id: 'large' }])
  await expect(keep('large', large)).rejects.toMatchObject({ code: '23505' })
  expect(await keep('small', Buffer.from('ü'))).toEqual([{ id: 'small' }])
  expect(await keep('again', large)).toEqual([{ id: 'again' }])
  const found = await own.rows<{ id: string; body: string }>('found', 'select * from texts order by id')
  expect(found.map(({ id, body }) => [id, body === large.toString()])).toEqual([
    ['again', true],
    ['large', true],
    ['small', false],
  ])
  expect(found[2]?.body).toBe('ü')
})

test('nor is a server that was connected to meanwhile one that is away', async () => {
  const patient = makeOwnConnection({ url: created.url, name: 'test', session: {}, timeoutMs: 1_500 })
  const asked = patient.rows('three', 'select 3 as three')
  await new Promise((resolve) => setImmediate(resolve)) // it is connecting
  standStill(1_600)
  expect(await asked).toEqual([{ three: 3 }])
  await patient.close()
})

test('one that is not answered in time is lost, and the next one has a connection of its own', async () => {
  const lost = await own.rows('sleep', 'select pg_sleep(600)').catch((error: unknown) => error)
  expect(isDatabaseAway(lost)).toBe(true)
  own.drop()
  expect(await own.rows('one', 'select 1 as one')).toEqual([{ one: 1 }])
})
