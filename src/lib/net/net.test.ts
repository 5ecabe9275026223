import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createRawServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { type FetcherOptions, makeFetcher, parseAllowRules } from './net.ts'

const servers: Server[] = []

const serve = async (listener: RequestListener, host = '127.0.0.1', port = 0): Promise<string> => {
  const server = createServer(listener).listen(port, host)
  servers.push(server)
  await once(server, 'listening')
  return `http://${host}:${(server.address() as AddressInfo).port}`
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

const fetcher = (allow: string, options: Partial<FetcherOptions> = {}) =>
  makeFetcher({ allowPrivateNetwork: parseAllowRules(allow), timeoutSeconds: 60, ...options })
const open = fetcher('*')
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error) => error,
  )
const portOf = (url: string) => new URL(url).port

describe('a request', () => {
  it('carries method, headers and body, and reads the answer', async () => {
    const url = await serve(async (request, response) => {
      let body = ''
      for await (const part of request) body += part
      response.writeHead(201, { 'content-type': 'text/plain; charset=iso-8859-1', 'set-cookie': ['a=1', 'b=2'] })
      response.end(Buffer.from(`${request.method} ${request.url} ${request.headers['x-a']} ${body} é`, 'latin1'))
    })
    const answer = await open(`${url}/p?q=1#part`, { method: 'post', headers: { 'X-A': 'b' }, body: 'hello' })
    expect(answer).toMatchObject({ status: 201, url: `${url}/p?q=1`, headers: { 'set-cookie': 'a=1, b=2' } })
    expect(await answer.text()).toBe('POST /p?q=1 b hello é')
    expect(Buffer.from(await answer.bytes()).at(-1)).toBe(0xe9)
  })

  it('takes any status as an answer', async () => {
    const url = await serve((_, response) => response.writeHead(503).end('busy'))
    expect(await open(url)).toMatchObject({ status: 503 })
  })

  it('does not let a caller choose the host header or the framing', async () => {
    const url = await serve((request, response) => response.end(JSON.stringify(request.headers)))
    const headers = {
      Host: 'other.example',
      'Content-Length': '99',
      Connection: 'upgrade',
      'Transfer-Encoding': 'chunked',
    }
    const sent = JSON.parse(await (await open(url, { method: 'POST', headers, body: 'x' })).text())
    expect(sent).toMatchObject({ host: new URL(url).host, 'content-length': '1', connection: 'keep-alive' })
  })

  it.each([
    ['a header with a line break', { headers: { 'x-a': 'b\r\nx-c: d' } }],
    ['a method that is none', { method: 'GET / HTTP/1.1' }],
  ])('refuses %s', async (_case, request) => {
    const url = await serve((_, response) => response.end())
    expect(await failure(open(url, request))).toMatchObject({ code: 'parameter_invalid' })
  })
})

describe('addresses', () => {
  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://①②⑦.⓪.⓪.①/',
    'http://localhost/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://0.0.0.0/',
    'http://169.254.169.254/latest/meta-data/',
    'http://168.63.129.16/',
    'http://100.64.0.1/',
    'https://10.0.0.1/',
  ])('refuses %s', async (url) => {
    const error = await failure(fetcher('')(url))
    expect(error).toMatchObject({ code: 'address_refused', retryable: false })
    expect(error.hint).toContain('JETTY_ALLOW_PRIVATE_NETWORK')
  })

  it.each([
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://x/',
    'data:text/plain,x',
    'http://user:secret@example.com/',
  ])('refuses %s without repeating a secret', async (url) => {
    const error = await failure(open(url))
    expect(error).toMatchObject({ code: 'address_refused' })
    expect(error.message).not.toContain('secret')
  })

  it.each(['', 'example.com', 'http://', '//x'])('says that %j is no URL', async (url) => {
    expect(await failure(open(url))).toMatchObject({ code: 'parameter_invalid' })
  })

  it('lets through what a rule lists, and only that', async () => {
    const url = await serve((_, response) => response.end('in'))
    for (const rule of ['127.0.0.1', `127.0.0.1:${portOf(url)}`, '127.0.0.0/8', '*']) {
      expect(await (await fetcher(rule)(url)).text()).toBe('in')
    }
    for (const rule of ['127.0.0.1:1', '10.0.0.0/8', 'localhost']) {
      expect(await failure(fetcher(rule)(url))).toMatchObject({ code: 'address_refused' })
    }
    expect(await (await fetcher('localhost')(`http://localhost:${portOf(url)}`)).text()).toBe('in')
  })

  it('connects to the address it has checked, looking the name up once', async () => {
    const url = await serve((_, response) => response.setHeader('connection', 'close').end('allowed'))
    const secret = await serve((_, response) => response.end('secret'), '127.0.0.2', Number(portOf(url)))
    expect(portOf(secret)).toBe(portOf(url))
    const answers = [['127.0.0.1'], ['127.0.0.2'], ['127.0.0.1', '127.0.0.2'], []]
    let asked = 0
    const fetch = fetcher('127.0.0.1/32', { lookup: async () => answers[asked++] ?? [] })
    const rebinding = `http://rebind.example:${portOf(url)}/`
    expect(await (await fetch(rebinding)).text()).toBe('allowed')
    expect(asked).toBe(1)
    expect(await failure(fetch(rebinding))).toMatchObject({ code: 'address_refused' })
    expect(await failure(fetch(rebinding))).toMatchObject({ code: 'address_refused' })
    expect(await failure(fetch(rebinding))).toMatchObject({ code: 'network_failed' })
    expect(asked).toBe(4)
  })

  it('tries the next address of a host when one does not answer', async () => {
    const url = await serve((_, response) => response.end('second'))
    const fetch = fetcher('*', { lookup: async () => ['127.0.0.3', '127.0.0.1'] })
    expect(await (await fetch(`http://two.example:${portOf(url)}/`)).text()).toBe('second')
  })
})

describe('redirects', () => {
  it('are followed, the address in the answer being the last', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/end') response.end(`${request.method}`)
      else response.writeHead(302, { location: '/end' }).end('ignored')
    })
    const answer = await open(`${url}/start`, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } })
    expect(answer.url).toBe(`${url}/end`)
    expect(await answer.text()).toBe('GET')
  })

  it('keep method and body on 307', async () => {
    const url = await serve(async (request, response) => {
      if (request.url === '/') response.writeHead(307, { location: '/end' }).end()
      else {
        let body = ''
        for await (const part of request) body += part
        response.end(`${request.method} ${body}`)
      }
    })
    expect(await (await open(url, { method: 'PUT', body: 'x' })).text()).toBe('PUT x')
  })

  it('to a private address are refused before it hears of it', async () => {
    let hits = 0
    const secret = await serve((_, response) => {
      hits += 1
      response.end('secret')
    })
    for (const location of [secret, 'http://169.254.169.254/', 'file:///etc/passwd', 'http://u:p@127.0.0.1/']) {
      const url = await serve((_, response) => response.writeHead(302, { location }).end())
      const error = await failure(fetcher(`127.0.0.1:${portOf(url)}`)(url))
      expect(error).toMatchObject({ code: 'address_refused' })
    }
    expect(hits).toBe(0)
  })

  it('to another origin lose credentials, to the same one keep them', async () => {
    const echo: RequestListener = (request, response) => response.end(JSON.stringify(request.headers))
    const other = await serve(echo)
    const url = await serve((request, response) => {
      if (request.url === '/away') response.writeHead(302, { location: other }).end()
      else if (request.url === '/here') response.writeHead(302, { location: '/end' }).end()
      else echo(request, response)
    })
    const headers = {
      Authorization: 'Bearer x',
      Cookie: 'a=b',
      'X-Api-Key': 'k',
      'X-Goog-Api-Key': 'k',
      'X-Other': 'stays',
      'X-Custom': 'k',
    }
    const credentialHeaders = ['X-Custom']
    const away = JSON.parse(await (await open(`${url}/away`, { headers, credentialHeaders })).text())
    expect(away).toMatchObject({ 'x-other': 'stays' })
    for (const name of ['authorization', 'cookie', 'x-api-key', 'x-goog-api-key', 'x-custom'])
      expect(away).not.toHaveProperty(name)
    const here = JSON.parse(await (await open(`${url}/here`, { headers })).text())
    expect(here).toMatchObject({ authorization: 'Bearer x', cookie: 'a=b' })
  })

  it('end after five', async () => {
    let hits = 0
    const url = await serve((_, response) => {
      hits += 1
      response.writeHead(302, { location: '/again' }).end()
    })
    expect(await failure(open(url))).toMatchObject({ code: 'upstream_failed' })
    expect(hits).toBe(6)
  })
})

describe('size', () => {
  const fast = { level: constants.Z_BEST_SPEED }
  const fastBrotli = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MIN_QUALITY } }

  it.each([
    ['gzip', (bytes: Buffer) => gzipSync(bytes, fast)],
    ['deflate', (bytes: Buffer) => deflateSync(bytes, fast)],
    ['br', (bytes: Buffer) => brotliCompressSync(bytes, fastBrotli)],
  ])('%s is unpacked, and a bomb is not', async (encoding, pack) => {
    const bomb = pack(Buffer.alloc(50_000_000))
    const url = await serve((request, response) => {
      response.writeHead(200, { 'content-encoding': encoding })
      response.end(request.url === '/bomb' ? bomb : pack(Buffer.from('small')))
    })
    const answer = await open(url)
    expect(await answer.text()).toBe('small')
    expect(answer.headers).not.toHaveProperty('content-encoding')
    const error = await failure(open(`${url}/bomb`, { maxBytes: 1_000_000 }))
    expect(error).toMatchObject({ code: 'too_large' })
    expect(error.message).toContain('976.6 KiB')
  })

  it('is bounded by the announced length and by what comes', async () => {
    let sent = 0
    const url = await serve((request, response) => {
      if (request.url === '/announced') return response.writeHead(200, { 'content-length': '2000000' }).flushHeaders()
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(100_000))) sent += 100_000
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    })
    expect(await failure(open(`${url}/announced`, { maxBytes: 1_000_000 }))).toMatchObject({ code: 'too_large' })
    expect(await failure(open(url, { maxBytes: 1_000_000 }))).toMatchObject({ code: 'too_large' })
    expect(sent).toBeLessThan(20_000_000)
  })

  it('refuses nested and unknown encodings', async () => {
    for (const encoding of ['gzip, gzip, gzip', 'zstd', 'constructor']) {
      const url = await serve((_, response) => response.writeHead(200, { 'content-encoding': encoding }).end('x'))
      expect(await failure(open(url))).toMatchObject({ code: 'upstream_failed' })
    }
  })

  it('asks for nothing of an answer without a body', async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '999999999' }).end(),
    )
    expect(await (await open(url, { method: 'HEAD', maxBytes: 10 })).bytes()).toHaveLength(0)
  })
})

describe('time', () => {
  const within = async (promise: Promise<unknown>, milliseconds: number) => {
    const started = performance.now()
    const error = await failure(promise)
    expect(performance.now() - started).toBeLessThan(milliseconds)
    return error
  }

  it('is bounded for a slow drip, slow headers, and a name that is never found', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/silent') return
      const timer = setInterval(() => response.write('.'), 20)
      response.on('close', () => clearInterval(timer))
    })
    const never = fetcher('*', { lookup: () => new Promise(() => {}) })
    for (const request of [open(url, { timeoutSeconds: 0.2 }), open(`${url}/silent`, { timeoutSeconds: 0.2 })]) {
      expect(await within(request, 20_000)).toMatchObject({ code: 'timed_out' })
    }
    expect(await within(never('http://slow.example/', { timeoutSeconds: 0.2 }), 20_000)).toMatchObject({
      code: 'timed_out',
    })
  })

  it('ends at once when the caller no longer wants the answer', async () => {
    let closed: () => void
    const left = new Promise<void>((resolve) => {
      closed = resolve
    })
    const control = new AbortController()
    const url = await serve((_, response) => {
      response.on('close', () => closed())
      control.abort()
    })
    expect(await within(open(url, { signal: control.signal }), 20_000)).toMatchObject({ code: 'cancelled' })
    await left
    expect(await failure(open(url, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'cancelled' })
  })
})

describe('failures of the network', () => {
  it('can be tried again', async () => {
    const url = await serve((_, response) => response.end())
    servers[0]?.close()
    await once(servers[0]!, 'close')
    const error = await failure(open(`${url}/path?key=hidden`))
    expect(error).toMatchObject({ code: 'network_failed', retryable: true })
    expect(error.message).toContain(`GET ${url}/path failed`)
    expect(error.message).not.toContain('hidden')
  })

  it('name a host that is not found', async () => {
    const lookup = () => Promise.reject(new Error('getaddrinfo ENOTFOUND'))
    const error = await failure(fetcher('', { lookup })('http://nowhere.example/'))
    expect(error).toMatchObject({ code: 'network_failed' })
    expect(error.message).toContain(`'nowhere.example' was not found`)
  })

  it.each([
    'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip',
    'noise\r\n\r\n',
  ])('are told for the answer %j', async (answer) => {
    const server = createRawServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await failure(open(`http://127.0.0.1:${port}/`))).toMatchObject({ code: 'network_failed' })
    server.close()
  })
})

describe('https', () => {
  const run = promisify(execFile)
  const makeCertificate = async (name: string) => {
    const folder = await mkdtemp(join(tmpdir(), 'jetty-certificate-'))
    const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')]
    try {
      const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
      await run('openssl', ['req', '-x509', ...key, '-out', certFile, '-days', '2', ...subject])
      return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8') }
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  it('checks the certificate against the name, though it connects to the address', async (test) => {
    const made = await makeCertificate('secure.example').catch(() => test.skip('there is no openssl here'))
    const server = createSecureServer(made, (request, response) => response.end(request.headers.host))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const options = { lookup: async () => ['127.0.0.1'], trustedCertificates: made.cert }

    const answer = await fetcher('*', options)(`https://secure.example:${port}/`)
    expect(await answer.text()).toBe(`secure.example:${port}`)
    for (const [url, settings] of [
      [`https://other.example:${port}/`, options],
      [`https://secure.example:${port}/`, { lookup: options.lookup }],
    ] as const) {
      const error = await failure(fetcher('*', settings)(url))
      expect(error).toMatchObject({ code: 'network_failed', retryable: false })
      expect(error.message).toContain('certificate')
    }
    server.closeAllConnections()
    server.close()
  })
})
