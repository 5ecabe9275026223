// Scripts with a network: what they reach through the proxy of their sandbox, and what not. Names are looked up and
// addresses dialled by the test, so that public ones lead to servers of this machine.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ScriptLanguage } from '../../src/model/scripts/script-run.ts'
import { certificate } from './certificate.ts'
import { openScripts, resultOf } from './ground.ts'

const answer = (request: IncomingMessage, response: ServerResponse): void => {
  const chunks: Buffer[] = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    if (request.url === '/moved') return response.writeHead(302, { location: 'https://api.example.com/there' }).end()
    const body = Buffer.concat(chunks).toString()
    const isSecure = 'encrypted' in request.socket
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ method: request.method, url: request.url, isSecure, auth: request.headers.authorization, body }),
    )
  })
}

let plain: Server
let secure: Server
let scripts: Awaited<ReturnType<typeof openScripts>>
/** Scripts of a server that trusts the certificate of these tests. */
let trusting: typeof scripts

beforeAll(async () => {
  plain = createServer(answer)
  secure = createSecureServer(certificate, answer)
  for (const one of [plain, secure]) await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
  const portOf = (server: Server) => (server.address() as AddressInfo).port
  const network: Parameters<typeof openScripts>[0] = {
    lookup: async () => ['93.184.216.34'],
    dial: (_, port) => connect({ host: '127.0.0.1', port: portOf(port === 443 ? secure : plain) }),
  }
  scripts = await openScripts(network)
  trusting = await openScripts({ ...network, certificates: certificate.cert })
})
afterAll(async () => {
  for (const one of [plain, secure]) {
    one?.closeAllConnections()
    one?.close()
  }
  await scripts?.close()
  await trusting?.close()
})

const run = (language: ScriptLanguage, code: string, allowedHosts?: string[]) => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
  return scripts.run({ language, code, env, network: ['api.example.com', '*.example.net'] }, allowedHosts)
}

it('JavaScript: fetch, http and https', async () => {
  const outcome = await run(
    'javascript',
    `const headers = { authorization: 'Bearer x' }
const posted = await (await fetch('https://api.example.com/orders', { method: 'POST', headers, body: '{"a":1}' })).json()
const moved = await fetch('http://api.example.com/moved', { headers })
const got = await new Promise((resolve, reject) => require('https').get('https://a.example.net/x?y=1', (response) => {
  let text = ''
  response.on('data', (chunk) => { text += chunk }).on('end', () => resolve(JSON.parse(text)))
}).on('error', reject))
const plain = await new Promise((resolve, reject) => require('http').get({ host: 'api.example.com', path: '/plain' }, (response) => {
  let text = ''
  response.on('data', (chunk) => { text += chunk }).on('end', () => resolve(JSON.parse(text)))
}).on('error', reject))
const refused = await fetch('https://evil.example.org/').catch((error) => error.message)
return { posted, moved: [moved.url, moved.redirected, await moved.json()], got, plain, refused }`,
  )
  expect(resultOf(outcome)).toEqual({
    posted: { method: 'POST', url: '/orders', isSecure: true, auth: 'Bearer x', body: '{"a":1}' },
    moved: ['https://api.example.com/there', true, { method: 'GET', url: '/there', isSecure: true, body: '' }],
    got: { method: 'GET', url: '/x?y=1', isSecure: true, body: '' },
    plain: { method: 'GET', url: '/plain', isSecure: false, body: '' },
    refused: expect.stringContaining('evil.example.org'),
  })
  expect(outcome.refusedHosts).toEqual(['evil.example.org'])
})

it('certificates that the server trusts', async () => {
  const javascript = `return fetch('https://api.example.com/').then(({ status }) => status, ({ cause }) => cause.code)`
  const python = `import urllib.request
def main(inputs):
    try:
        return urllib.request.urlopen('https://api.example.com/').status
    except OSError as error:
        return str(error)`
  const network = ['api.example.com']
  const refused = await scripts.run({ language: 'javascript', code: javascript, network })
  expect(resultOf(refused)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
  expect(resultOf(await trusting.run({ language: 'javascript', code: javascript, network }))).toBe(200)
  expect(resultOf(await trusting.run({ language: 'python', code: python, network }))).toBe(200)
})

it('Python, and hosts that the collection may not reach', async () => {
  const code = `import json, ssl, urllib.request
context = ssl._create_unverified_context()
def ask(url):
    try:
        return json.load(urllib.request.urlopen(url, timeout=30, context=context if url.startswith('https') else None))['url']
    except Exception as error:
        return str(error)
return [ask('https://api.example.com/a'), ask('http://api.example.com/b'), ask('https://b.example.net/c')]`
  const outcome = await run('python', code, ['api.example.com'])
  expect(resultOf(outcome)).toEqual(['/a', '/b', expect.stringContaining('403')])
  expect(outcome.refusedHosts).toEqual(['b.example.net'])
})
