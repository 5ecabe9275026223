import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { pause } from '../../src/lib/time.ts'

const version = '1.15.2'

/** Without these two every stream of this version ends in a 500. */
const overrides = { hono: '4.9.7', '@hono/node-server': '1.13.7' }

/** It listens on all addresses, whatever it is told. */
const preload = `
import net from 'node:net'

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, Number(port), '127.0.0.1', ...rest.filter((one) => typeof one === 'function'))
}
`

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const answers = async (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  )

/** Installs the gateway of Portkey into a folder and starts it, on loopback alone. */
export const startPortkey = async (
  folder: string,
  started: (child: ChildProcess) => void,
): Promise<{ name: string; pid: number; url: string }> => {
  const wanted = { private: true, dependencies: { '@portkey-ai/gateway': version }, overrides }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(wanted))
  writeFileSync(join(folder, 'preload.mjs'), preload)
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
  await promisify(execFile)('npm', install, { cwd: folder })
  const port = await freePort()
  const entry = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  const log = join(folder, 'log')
  const output = openSync(log, 'a')
  const args = ['--import', pathToFileURL(join(folder, 'preload.mjs')).href, entry, '--headless', `--port=${port}`]
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, NODE_ENV: 'production' },
    stdio: ['ignore', output, output],
  })
  started(child)
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; !(await answers(url)); tries++) {
    if (tries === 100 || child.exitCode !== null) throw new Error(`portkey: ${readFileSync(log, 'utf8').slice(-2000)}`)
    await pause(100)
  }
  return { name: `Portkey ${version}`, pid: child.pid ?? 0, url }
}
