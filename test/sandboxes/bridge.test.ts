// The bridge as a sandbox starts it, with somebody in the place of the gateway.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const bridge = fileURLToPath(new URL('../../src/sandbox/isolation/inside/bridge.mjs', import.meta.url))

let folder: string
let gateway: Server
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-bridge-'))
  gateway = createServer((_, outgoing) => outgoing.end('from the gateway\n')).listen(join(folder, 'gateway.sock'))
  await once(gateway, 'listening')
})
afterAll(() => {
  gateway?.close()
  rmSync(folder, { recursive: true })
})

/** Asks the gateway, then says what it was answered and how its own outputs are opened. */
const asking = `
require('http').get('http://127.0.0.1:3128/', (answer) => {
  let text = ''
  answer.on('data', (part) => (text += part))
  answer.on('end', () => {
    const flags = [1, 2].map((fd) => require('fs').readFileSync('/proc/self/fdinfo/' + fd, 'utf8').match(/flags:\\s*(\\d+)/)[1])
    require('fs').writeSync(1, JSON.stringify({ text, flags }))
  })
})`

/** As Linux has it in the flags of a descriptor. */
const nonBlocking = 0o4000

it.runIf(process.platform === 'linux')(
  'leaves the outputs of the command as they were, whatever goes through it',
  async () => {
    const command = [process.execPath, '-e', asking]
    const given = ['--socket', join(folder, 'gateway.sock'), '--port', '0', '--', ...command] // whichever is free
    const stdout = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [bridge, ...given], (error, out) => (error ? reject(error) : resolve(out)))
    })
    const { text, flags } = JSON.parse(stdout)
    expect(text).toBe('from the gateway\n')
    expect(flags.map((flag: string) => Number.parseInt(flag, 8) & nonBlocking)).toEqual([0, 0])
  },
)
