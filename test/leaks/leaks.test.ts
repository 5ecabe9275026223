import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSealer } from '../../src/lib/secrets/crypto.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { sentSecrets } from './sent-secrets.ts'
import { finderOf, spellingsOf } from './spellings.ts'
import { makeLeakWatch } from './watch.ts'

const secret = 'sëcret/Q7+"of the test"?4711'

describe('what a secret may look like', () => {
  it.each([
    ['plain', secret],
    ['JSON', JSON.stringify({ a: secret })],
    ['JSON', JSON.stringify(JSON.stringify([secret]))],
    ['URL', encodeURIComponent(secret)],
    ['form', new URLSearchParams({ a: secret }).toString()],
    ['base64', Buffer.from(secret).toString('base64')],
    ['base64', Buffer.from(`x${secret}`).toString('base64')],
    ['base64', Buffer.from(`xy${secret}tail`).toString('base64')],
    ['base64url', Buffer.from(`xy${secret}`).toString('base64url')],
  ])('is found as %s', (kind, text) => {
    const found = spellingsOf(secret).filter(([, spelling]) => text.includes(spelling))
    expect(found.map(([name]) => name)).toContain(kind)
  })
})

it('of many texts those are found that are there', () => {
  const letters = (range: { minLength: number; maxLength: number }) =>
    fc.string({ unit: fc.constantFrom('a', 'b', 'ë', '\ud83d'), ...range })
  const texts = fc.array(letters({ minLength: 6, maxLength: 9 }), { maxLength: 20 })
  fc.assert(
    fc.property(texts, letters({ minLength: 0, maxLength: 300 }), (looked, haystack) => {
      expect([...finderOf(looked)(haystack)].sort()).toEqual(
        [...new Set(looked)].filter((one) => haystack.includes(one)).sort(),
      )
    }),
  )
})

it.each([
  ['application/json', JSON.stringify({ secret_params: { A: secret }, environment_variables: { B: 'variable' } })],
  [
    'application/json',
    JSON.stringify({ secret_params: JSON.stringify({ A: secret }), environment_variables: { B: 'variable' } }),
  ],
  [
    'application/x-www-form-urlencoded',
    new URLSearchParams({ secret_params: JSON.stringify({ A: secret }) }).toString(),
  ],
  [
    'multipart/form-data; boundary=x',
    `--x\r\nContent-Disposition: form-data; name="secret_params"\r\n\r\n${JSON.stringify({ A: secret })}\r\n--x--\r\n`,
  ],
])('the secrets of a body are known: %s', (type, body) => {
  expect(sentSecrets(type, body)).toContainEqual({ name: 'secret parameter A', value: secret })
})

describe('a leak is found, and its place named, not its value', () => {
  let server: TestServer
  let queries: Database
  const files = () => join(server.dataDir, 'files')

  beforeAll(async () => {
    server = await startTestServer()
    queries = openDatabase(server.database.url, { connections: 1 })
  })
  afterAll(async () => {
    await queries.close()
    await server.close()
  })

  const foundIn = async (leak: (watch: ReturnType<typeof makeLeakWatch>) => unknown): Promise<string> => {
    const watch = makeLeakWatch()
    watch.remember('the planted one', secret)
    await leak(watch)
    const error = await watch.check({ databaseUrl: server.database.url, files: files() }).then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    expect(error?.message ?? '').not.toContain(secret)
    return error?.message ?? 'nothing'
  }

  it('nowhere while there is none', async () => {
    expect(await foundIn(() => {})).toBe('nothing')
  })

  it('in a row, as base64 in a JSON text', async () => {
    const body = JSON.stringify({ note: Buffer.from(`a ${secret}`).toString('base64') })
    await queries.query(`insert into payloads (id, run_id, body) values ('planted', 'planted', $1)`, [body])
    expect(await foundIn(() => {})).toMatch(/the planted one, written as base64, is in the column payloads\.body/)
    await queries.query(`delete from payloads where id = 'planted'`)
  })

  it('in a table of another schema', async () => {
    await queries.query('create schema other; create table other.planted (value text)')
    await queries.query('insert into other.planted values ($1)', [encodeURIComponent(secret)])
    expect(await foundIn(() => {})).toMatch(/written as URL, is in the column other\.planted\.value/)
    await queries.query('drop schema other cascade')
  })

  it('in a file, packed or not', async () => {
    mkdirSync(join(files(), 'planted'))
    writeFileSync(join(files(), 'planted', 'one'), `\0\x01${secret}`)
    expect(await foundIn(() => {})).toMatch(/written as plain, is in the file .*planted\/one/)
    writeFileSync(join(files(), 'planted', 'one'), archiveOf(secret))
    expect(await foundIn(() => {})).toMatch(/written as plain, is in the file .*planted\/one/)
    rmSync(join(files(), 'planted'), { recursive: true })
  })

  it('in a log line', async () => {
    const line = JSON.stringify({ level: 'debug', cause: JSON.stringify({ secret }) })
    expect(await foundIn((watch) => watch.log(line))).toMatch(/written as JSON, is in the log/)
  })

  it('in an answer, whoever asked', async () => {
    const leaky = createServer((_, response) => {
      response.write(secret.slice(0, 9))
      response.end(secret.slice(9))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => leaky.once('listening', resolve))
    const url = `http://127.0.0.1:${(leaky.address() as AddressInfo).port}`
    const found = await foundIn(async (watch) => {
      watch.watchServer(url)
      await (await fetch(`${url}/some/path?query`)).text()
    })
    expect(found).toMatch(/written as plain, is in the answer to GET \/some\/path$/)
    leaky.close()
  })

  it('also a sealed text that a change of the key would not reach', async () => {
    const sealed = makeSealer([Buffer.alloc(32, 7)]).seal('text', 'planted')
    await queries.query('create table planted (hidden text)')
    await queries.query('insert into planted values ($1)', [sealed])
    expect(await foundIn(() => {})).toMatch(/planted\.hidden holds sealed texts and is not in sealedColumns/)
    await queries.query('drop table planted')
  })

  it('when a test server closes: what its own test sent, wherever it was planted', async () => {
    const value = 'variable-that-will-leak-Zx81'
    await server.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { LEAKING: value } })
    const label = (text: string) => queries.query(`update collections set description = $1 where name = 'acme'`, [text])
    await label(`it is ${value}`)
    await expect(server.leaks.check({ databaseUrl: server.database.url, files: files() })).rejects.toThrow(
      /variable LEAKING, written as plain, is in the column collections\.description/,
    )
    await label('harmless')
  })
})

/** An archive with one packed file, as far as a reader of its directory needs it. */
const archiveOf = (text: string): Buffer => {
  const packed = deflateRawSync(Buffer.from(text))
  const local = Buffer.alloc(30)
  local.write('PK\x03\x04', 'latin1')
  const entry = Buffer.alloc(46)
  entry.write('PK\x01\x02', 'latin1')
  entry.writeUInt16LE(8, 10)
  entry.writeUInt32LE(packed.length, 20)
  return Buffer.concat([local, packed, entry])
}
