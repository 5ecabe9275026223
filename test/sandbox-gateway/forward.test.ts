import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createTcp, type Server as TcpServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Opened, type OpenOptions, openGateway } from './opened.ts'

/** Public addresses by the names that are looked up; the fake network leads all of them to one server. */
const names: Record<string, string[]> = {
  'example.com': ['93.184.216.34'],
  'api.example.com': ['93.184.216.35'],
  'two.example.org': ['93.184.216.36', '93.184.216.37'],
  'rebinds.example.org': ['127.0.0.1'],
  'mixed.example.org': ['93.184.216.34', '10.0.0.5'],
  'metadata.example.org': ['169.254.169.254'],
}

let web: Server
let echo: TcpServer
let opened: Opened
const lookedUp: string[] = []
const dialled: string[] = []

beforeAll(async () => {
  web = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      if (url === '/large') return response.end(Buffer.alloc(3 * 1024 * 1024, 'x'))
      response.setHeader('connection', 'close, x-inner')
      response.setHeader('x-inner', 'of this connection')
      response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }))
    })
  })
  echo = createTcp((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await Promise.all([web, echo].map((one) => new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))))
})
afterAll(() => {
  web.closeAllConnections()
  web.close()
  echo.close()
})
afterEach(() => opened.close())

const open = async (more: OpenOptions = {}) => {
  lookedUp.length = 0
  dialled.length = 0
  opened = await openGateway({
    network: { mode: 'public' },
    lookup: async (host) => {
      lookedUp.push(host)
      const found = names[host.replace(/\.$/, '')]
      if (!found) throw new Error(`getaddrinfo ENOTFOUND ${host}`)
      return found
    },
    dial: (address, port) => {
      dialled.push(`${address}:${port}`)
      if (address === '93.184.216.36') return connect({ host: '127.0.0.1', port: 9 })
      const server = port === 80 ? web : echo
      return connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
    },
    ...more,
  })
}
const get = (url: string, more: Parameters<Opened['ask']>[1] = {}) => opened.ask(url, { token: null, ...more })
const tunnel = (target: string, bytes: string) =>
  new Promise<string>((resolve) => {
    const socket = connect(opened.socket)
    let got = ''
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      got += chunk
      if (got.endsWith(bytes)) socket.end()
    })
    socket.on('close', () => resolve(got))
    socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n${bytes}`)
  })
const warnings = () => opened.events.filter(({ type }) => type === 'warning')

describe('the public network', () => {
  it('is reached with whole URLs; what belongs to a connection stays with it', async () => {
    await open()
    const answer = await get('http://example.com/a?b=c', {
      body: 'text',
      headers: { 'proxy-authorization': 'Basic eDp5', connection: 'close, x-mine', 'x-mine': '1', 'x-other': '2' },
    })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ method: 'POST', url: '/a?b=c', body: 'text' })
    expect(answer.body.headers).toMatchObject({ host: 'example.com', 'x-other': '2' })
    expect(Object.keys(answer.body.headers)).not.toContain('proxy-authorization')
    expect(Object.keys(answer.body.headers)).not.toContain('x-mine')
    expect(answer.headers['x-inner']).toBeUndefined()
    expect(dialled).toEqual(['93.184.216.34:80'])
  })

  it.each(['DELETE', 'GET', 'OPTIONS'])('is told where a body in pieces ends: %s', async (method) => {
    await open()
    const answer = await opened.raw(
      `${method} http://example.com/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
    expect(answer).toContain('"body":"ab"')
  })

  it('is reached through tunnels, also where the first address does not answer', async () => {
    await open()
    expect(await tunnel('example.com:443', 'hello')).toBe('HTTP/1.1 200 Connection Established\r\n\r\nhello')
    expect(await tunnel('two.example.org:8443', 'hello')).toContain('hello')
    expect(dialled).toEqual(['93.184.216.34:443', '93.184.216.36:8443', '93.184.216.37:8443'])
    expect(lookedUp).toEqual(['example.com', 'two.example.org'])
  })

  it('is not found where there is no such host', async () => {
    await open()
    const answer = await get('http://nowhere.example.net/')
    expect(answer.status).toBe(502)
    expect(answer.text).toContain('not found')
    expect(await tunnel('nowhere.example.net:443', 'x')).toMatch(/^HTTP\/1.1 502 /)
    expect(opened.gateway.usage().refusedHosts).toEqual([])
  })

  it('of the models is not asked for it, and the gateway itself is found through the proxy too', async () => {
    await open()
    expect((await get('http://127.0.0.1:3128/')).status).toBe(200)
    expect((await get('http://localhost:3128/v1/messages', { body: {} })).status).toBe(401)
    expect(dialled).toEqual([])
  })
})

describe('a private address', () => {
  it.each([
    'rebinds.example.org',
    'mixed.example.org',
    'metadata.example.org',
    '127.0.0.1',
    '169.254.169.254',
    '10.1.2.3',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[fd00::1]',
    '2130706433',
    '0x7f.1',
    '0',
    '168.63.129.16',
  ])('is never reached: %s', async (host) => {
    await open()
    const answer = await get(`http://${host}/`)
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('private')
    const through = await tunnel(`${host}:443`, 'x')
    expect(through).toMatch(/^HTTP\/1.1 403 /)
    expect(dialled).toEqual([])
    expect(opened.gateway.usage().refusedHosts).toHaveLength(1)
    expect(warnings()).toHaveLength(1)
  })
})

it('this machine is not reached at its public addresses', async () => {
  const own = () => ['127.0.0.1', '93.184.216.34', '2001:4860:1::5']
  await open({ own })
  for (const host of [
    'example.com',
    '93.184.216.34',
    '[::ffff:93.184.216.34]',
    '[2001:4860:1::5]',
    '[2001:4860:1:0::5]',
  ]) {
    expect(await tunnel(`${host}:5432`, 'x')).toMatch(/^HTTP\/1.1 403 /)
  }
  expect(dialled).toEqual([])
  expect(await tunnel('api.example.com:443', 'x')).toMatch(/^HTTP\/1.1 200 /)
})

it('ports that are none of the web are reached where a list of hosts names them', async () => {
  await open()
  for (const port of [22, 25, 53, 139, 445, 465, 587, 993]) {
    expect(await tunnel(`example.com:${port}`, 'x')).toMatch(/^HTTP\/1.1 403 [\s\S]*port/)
  }
  expect((await get('http://example.com:25/')).status).toBe(403)
  expect(lookedUp).toEqual([])
  await opened.close()
  await open({ network: { mode: 'hosts', hosts: ['example.com:22', 'api.example.com'] } })
  expect(await tunnel('example.com:22', 'x')).toMatch(/^HTTP\/1.1 200 /)
  expect(await tunnel('api.example.com:22', 'x')).toMatch(/^HTTP\/1.1 403 /)
})

describe('no network', () => {
  it('is the models alone: nothing is looked up', async () => {
    await open({ network: { mode: 'models' } })
    const answer = await get('http://example.com/')
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('has no network')
    expect(await tunnel('example.com:443', 'x')).toMatch(/^HTTP\/1.1 403 [\s\S]*has no network/)
    expect(lookedUp).toEqual([])
    expect(opened.gateway.usage().refusedHosts).toEqual(['example.com'])
    expect(warnings()).toEqual([{ type: 'warning', message: "Access to the host 'example.com' was refused" }])
  })
})

describe('a list of hosts', () => {
  it('is all there is, and those of the collection narrow it', async () => {
    await open({ network: { mode: 'hosts', hosts: ['*.example.com', 'two.example.org'] } })
    expect((await get('http://api.example.com/')).status).toBe(200)
    expect((await get('http://example.com/')).status).toBe(403)
    expect((await get('http://API.example.com./')).status).toBe(200)
    expect(lookedUp).not.toContain('example.com')
    await opened.close()
    const caller = { env: () => undefined, allowedHosts: ['api.example.com:443'] }
    await open({ network: { mode: 'hosts', hosts: ['*.example.com'] }, caller })
    expect((await get('http://api.example.com/')).status).toBe(403)
    expect(await tunnel('api.example.com:443', 'x')).toMatch(/^HTTP\/1.1 200 /)
    await opened.close()
    await open({ caller })
    expect((await get('http://example.com/')).status).toBe(403)
  })

  it('names each refused host once, and 50 of them at most', async () => {
    await open({ network: { mode: 'models' } })
    for (let at = 0; at < 60; at++) await get(`http://host-${at % 55}.example.com/`)
    expect(opened.gateway.usage().refusedHosts).toHaveLength(50)
    expect(warnings()).toHaveLength(50)
  })
})

describe('a host that does not keep to HTTP', () => {
  it.each([
    ['says nothing', ''],
    ['talks nonsense', 'nonsense\r\n\r\n'],
    [
      'would go on in another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nx',
    ],
    ['has two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello'],
    ['has a length and pieces', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('is said to have given no answer: %s', async (_, bytes) => {
    const host = createTcp((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(bytes))
    })
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
    await open({ dial: () => connect({ host: '127.0.0.1', port: (host.address() as AddressInfo).port }) })
    const { status, text } = await get('http://example.com/')
    host.close()
    expect({ status, text }).toEqual({
      status: 502,
      text: expect.stringContaining("'example.com' did not give a valid answer"),
    })
  })
})

describe('an inside that hides one request in another', () => {
  it.each([
    [
      'behind a body',
      'POST http://example.com/ HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\nGET http://169.254.169.254/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      /^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 403 /,
    ],
    [
      'behind the name of a host',
      'GET http://example.com/ HTTP/1.1\r\nhost: 169.254.169.254\r\nconnection: close\r\n\r\n',
      /^HTTP\/1.1 200 [\s\S]*"host":"example.com"/,
    ],
    [
      'behind a user',
      'GET http://example.com@169.254.169.254/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      /^HTTP\/1.1 403 /,
    ],
    ['behind a tunnel', 'CONNECT example.com:443@169.254.169.254:80 HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1.1 403 /],
    [
      'behind a backslash',
      'GET http://example.com\\@169.254.169.254/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      /^HTTP\/1.1 4/,
    ],
    [
      'behind an upgrade',
      'GET http://example.com/ HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\nPRI',
      /^HTTP\/1.1 (200 (?![\s\S]*"upgrade")|400)/,
    ],
    [
      'behind a coding that nobody knows',
      'POST http://example.com/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    [
      'behind a space',
      'POST http://example.com/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    [
      'behind a plus',
      'POST http://example.com/ HTTP/1.1\r\nhost: x\r\ncontent-length: +3\r\n\r\nabc',
      /^HTTP\/1.1 400 /,
    ],
  ])('is refused, or asks what it says: %s', async (_, bytes, answer) => {
    await open()
    expect(await opened.raw(bytes)).toMatch(answer)
    expect(dialled.filter((address) => address !== '93.184.216.34:80')).toEqual([])
  })
})

describe('a connection to a host', () => {
  it('ends when everything that may be sent and received was', async () => {
    await open({ limits: { hostBytes: 1024 * 1024 } })
    const large = await get('http://example.com/large')
    expect(large.isCut).toBe(true)
    const answer = await get('http://example.com/')
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('used up')
  })

  it('ends when it is silent, and with the sandbox', async () => {
    await open({ limits: { insideIdleSeconds: 0.2 } })
    const silent = connect(opened.socket)
    const closed = new Promise((resolve) => silent.on('close', resolve))
    silent.write('CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n')
    silent.resume()
    await closed
    await opened.close()
    await open()
    const busy = connect(opened.socket)
    busy.on('error', () => {})
    const ended = new Promise((resolve) => busy.on('close', resolve))
    busy.write('CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n')
    await new Promise((resolve) => busy.once('data', resolve))
    opened.cut.abort()
    await ended
    await expect.poll(() => new Promise((resolve) => echo.getConnections((_, count) => resolve(count)))).toBe(0)
  })
})
