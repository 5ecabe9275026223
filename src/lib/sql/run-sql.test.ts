// Servers that only look like PostgreSQL. What a real one does is in test/integration/steps/sql.test.ts.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { makeSqlRunner } from './run-sql.ts'
import type { OutgoingSql } from './statement.ts'

const servers: Server[] = []
const sockets: Socket[] = []
afterEach(() => {
  vi.unstubAllEnvs()
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

const listen = async (serve: (socket: Socket) => void): Promise<number> => {
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const failure = (text: string): Buffer => message('E', Buffer.from(`SFATAL\0C28000\0M${text}\0\0`))
const cleartext = message('R', Buffer.from([0, 0, 0, 3]))

const statement = (url: string, more: Partial<OutgoingSql> = {}): OutgoingSql => ({
  url,
  ...{ text: 'select 1', written: 'select 1', values: [], origin: (at) => at, readOnly: true, mayRepeat: true },
  ...{ timeoutSeconds: 60, maxRows: 10, maxBytes: 1_000, beforeCommit: async () => {} },
  ...more,
})
const lookup = async () => ['127.0.0.1']
const run = makeSqlRunner({ allowPrivateNetwork: [{ kind: 'any' }], lookup })

describe('a hostile server', () => {
  it.each<[string, (socket: Socket) => void, object]>([
    ['closes', (socket) => socket.end(), { code: 'network_failed', retryable: true }],
    ['is none', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), { code: 'network_failed' }],
    [
      'sends a message without end',
      (socket) => socket.once('data', () => socket.write(Buffer.concat([message('N', Buffer.alloc(2_000_000, 65))]))),
      { code: 'too_large' },
    ],
    [
      'repeats the password',
      (socket) => socket.once('data', () => socket.write(failure('no entry with unmistakable-1'))),
      { message: 'PostgreSQL refused the connection: no entry with *** (28000)', retryable: false },
    ],
  ])('that %s', async (_, serve, error) => {
    const port = await listen(serve)
    await expect(run(statement(`postgres://me:unmistakable-1@h:${port}/x?sslmode=disable`))).rejects.toMatchObject(
      error,
    )
  })

  it('gets no password but that of the connection', async () => {
    for (const name of ['PGPASSWORD', 'PGOPTIONS', 'PGDATABASE', 'PGAPPNAME']) vi.stubEnv(name, `own-${name}`)
    const heard: string[] = []
    const port = await listen((socket) => {
      socket.on('data', (bytes) => {
        heard.push(bytes.toString('latin1'))
        socket.write(heard.length === 1 ? cleartext : failure('no'))
      })
    })
    await expect(run(statement(`postgres://me@h:${port}?sslmode=disable`))).rejects.toMatchObject({
      message: /no \(28000\)/,
    })
    expect(heard.join()).toContain('user\0me\0')
    expect(heard.join()).not.toContain('own-')
  })

  it('that never answers is left when the caller stops', async () => {
    const control = new AbortController()
    const port = await listen((socket) => socket.once('data', () => control.abort()))
    const waiting = run(statement(`postgres://me:x@h:${port}/x?sslmode=disable`, { signal: control.signal }))
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
  })
})

it('private addresses are refused, also behind a name, and a name is resolved once', async () => {
  const lookups: string[] = []
  const guarded = makeSqlRunner({
    allowPrivateNetwork: [],
    lookup: async (host) => {
      lookups.push(host)
      return ['192.168.1.1']
    },
  })
  for (const host of ['127.0.0.1', '[::1]', '169.254.169.254', 'db.example.com', '0']) {
    await expect(guarded(statement(`postgres://me:x@${host}/x`))).rejects.toMatchObject({ code: 'address_refused' })
  }
  expect(lookups).toEqual(['db.example.com'])
  const listed = statement('postgres://me:x@db.example.com:5432/x', { allowedHosts: ['db.example.com:5433'] })
  await expect(run(listed)).rejects.toThrow(/not among the allowed hosts/)
})

describe('encryption', () => {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-sql-'))
  const makeCertificate = async (name: string) => {
    const file = (suffix: string) => join(folder, `${name}.${suffix}`)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key')]
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
    await promisify(execFile)('openssl', ['req', '-x509', ...key, '-out', file('crt'), '-days', '2', ...subject])
    return { key: readFileSync(file('key'), 'utf8'), cert: readFileSync(file('crt'), 'utf8') }
  }
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is checked, unless the URL says otherwise', async (test) => {
    const made = await makeCertificate('db.example').catch(() => test.skip('there is no openssl here'))
    const encrypted: boolean[] = []
    const port = await listen((socket) => {
      socket.once('data', (bytes) => {
        encrypted.push(bytes.length === 8)
        if (bytes.length !== 8) return socket.write(failure('plain'))
        socket.write('S')
        const secure = new TLSSocket(socket, { isServer: true, ...made })
        secure.on('error', () => {})
        secure.once('data', () => secure.write(failure('encrypted')))
      })
    })
    const said = async (host: string, mode: string, caCertificate?: string) =>
      run(statement(`postgres://me:x@${host}:${port}/x${mode}`, { caCertificate })).catch(({ message }) => message)
    expect(await said('db.example', '?sslmode=verify-full')).toMatch(/is not trusted: self.signed/)
    expect(await said('db.example', '?sslmode=verify-ca')).toMatch(/is not trusted/)
    expect(await said('db.example', '?sslmode=verify-full', made.cert)).toMatch(/encrypted/)
    expect(await said('other.example', '?sslmode=verify-full', made.cert)).toMatch(/altnames|not in the cert/i)
    expect(await said('other.example', '', made.cert)).toMatch(/altnames|not in the cert/i)
    expect(await said('other.example', '?sslmode=verify-ca', made.cert)).toMatch(/encrypted/)
    expect(await said('other.example', '?sslmode=require')).toMatch(/encrypted/)
    expect(await said('127.0.0.1', '')).toMatch(/encrypted/)
    expect(encrypted).not.toContain(false)
    expect(await said('127.0.0.1', '?sslmode=disable')).toMatch(/plain/)
  })

  it('is not left out by a server that refuses it, except in a private network', async () => {
    const port = await listen((socket) => {
      socket.on('data', (bytes) => socket.write(bytes.length === 8 ? 'N' : failure('plain')))
    })
    const said = async (mode: string) =>
      run(statement(`postgres://me:x@h:${port}/x${mode}`)).catch(({ message }) => message)
    expect(await said('?sslmode=require')).toMatch(/does not encrypt connections/)
    expect(await said('?sslmode=verify-full')).toMatch(/does not encrypt connections/)
    expect(await said('')).toMatch(/plain/)
  })
})
