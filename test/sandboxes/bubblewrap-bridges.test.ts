// The bridges of bubblewrap: Perl where the machine has it, otherwise Node. A command cannot tell them apart.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { lookAtHost } from '../../src/sandbox/isolation/bubblewrap/host.ts'
import { wholeBody } from '../whole-body.ts'
import { newId, runIn, smallLimits } from './ground.ts'

const bytes = 3_000_000

/** Much in both directions at once, a connection that is cut off, one that is half closed; and how its outputs are opened. */
const asking = `
const http = require('http'), net = require('net'), fs = require('fs')
const ask = (path) => new Promise((resolve) => {
  const request = http.request({ host: '127.0.0.1', port: 3128, path, method: 'POST', agent: false }, async (answer) => {
    let got = 0
    for await (const chunk of answer) got += chunk.length
    resolve(got)
  })
  request.on('error', ({ code }) => resolve(/ECONNRESET|EPIPE/.test(code) ? 'cut off' : code))
  request.end(Buffer.alloc(${bytes}))
})
const halfClosed = () => new Promise((resolve) => {
  const socket = net.connect(3128, '127.0.0.1')
  let got = ''
  socket.on('data', (chunk) => (got += chunk)).on('end', () => resolve(got.includes('got 0 ')))
  socket.end('GET / HTTP/1.0\\r\\n\\r\\n')
})
const nonBlocking = (fd) => parseInt(/flags:\\s*(\\d+)/.exec(fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1], 8) & 0o4000
Promise.all([ask('/'), ask('/'), ask('/'), ask('/cut'), halfClosed()]).then((all) =>
  fs.writeSync(1, JSON.stringify([...all, nonBlocking(1)]) + '\\n'))`

const script = `
node -e "$ASK"
read -r children < /proc/$$/task/$$/children
echo "children: $children"
cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -o '^/.*bridge[.].*' | sort -u
kill -TERM $$`

it.each([
  [true, 'bridge.pl'],
  [false, 'bridge.mjs'],
])('with Perl: %s', async (hasPerl, bridge) => {
  const folder = mkdtempSync(join(tmpdir(), 'bridges-'))
  const provider = bubblewrapProvider({
    parent: folder,
    firstUid: 64_000,
    log: createLogger({ level: 'error' }),
    lookAtHost: async () => ({ ...(await lookAtHost()), hasPerl }),
  })
  const server = createServer(async (request, response) => {
    if (request.url === '/cut') return request.socket.destroy()
    response.write(`got ${(await wholeBody(request))?.length} `)
    response.end('x'.repeat(bytes))
  })
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  try {
    const socket = join(sandbox.folders.gateway, 'gateway.sock')
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    await sandbox.own(socket)
    const ran = await runIn(sandbox, script, { network: 'gateway', env: { ASK: asking } })
    const got = bytes + `got ${bytes} `.length
    expect(ran).toMatchObject({
      stdout: `${JSON.stringify([got, got, got, 'cut off', true, 0])}\nchildren: \n/opt/jetty/${bridge}\n`,
      ...{ stderr: '', signal: 'SIGTERM' },
    })
    expect(await runIn(sandbox, '', { argv: ['no-such-command'], network: 'gateway' })).toMatchObject({ code: 127 })
  } finally {
    server.closeAllConnections()
    server.close()
    await sandbox.destroy()
    rmSync(folder, { recursive: true })
  }
})
