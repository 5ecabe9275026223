import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { compiledProgram } from '../../compiled.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { killJetties, startJetty } from '../../jetty-process.ts'

const longTestMs = 120_000

let folder: string
let database: TestDatabase
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-last-resort-'))
  database = await createTestDatabase()
})
afterAll(async () => {
  await killJetties()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true })
})

const parts = () => [process.execPath, '--import', new URL('../../ends-with-parent.mjs', import.meta.url).pathname]
const env = () => ({
  DATABASE_URL: database.url,
  JETTY_DATA_DIR: join(folder, 'data'),
  JETTY_ADMIN_TOKEN: 'admin-of-the-last-resort',
})
const until = async (look: () => Promise<boolean> | boolean) => {
  for (const begun = performance.now(); !(await look()); await pause(50)) {
    if (performance.now() - begun > 60_000) throw new Error('never so')
  }
}

test(
  '1,500 idle connections do not bring a server with 1,024 descriptors down, nor lock clients out',
  async () => {
    const command = ['/bin/sh', '-c', 'ulimit -n 1024; exec "$0" "$@"', ...parts(), compiledProgram('src/bin'), 'serve']
    const jetty = startJetty({ ...env(), JETTY_METRICS_PORT: '0' }, command)
    const { url } = await jetty.ready
    const { port, hostname } = new URL(url)
    const sockets: Socket[] = []
    const open = async () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      sockets.push(socket)
      await Promise.race([once(socket, 'connect').catch(() => {}), pause(2_000)])
    }
    for (let opened = 0; opened < 1_500; opened += 100) await Promise.all(Array.from({ length: 100 }, open))
    await until(async () => (await fetch(`${url}/health`).catch(() => undefined))?.status === 200)
    expect(jetty.child.exitCode).toBeNull()
    expect(jetty.stderr()).toContain('too many connections')
    const headers = { authorization: `Bearer ${env().JETTY_ADMIN_TOKEN}` }
    await until(async () => {
      const metrics = await fetch(`${url}/metrics`, { headers }).catch(() => undefined)
      return /^jetty_http_connections_refused_total [1-9]/m.test((await metrics?.text()) ?? '')
    })
    for (const socket of sockets) socket.destroy()
    expect(await jetty.stop()).toBe(0)
  },
  longTestMs,
)

test(
  'a rejection that nothing handles is a line in the log; an exception ends the server on purpose',
  async () => {
    const hook = join(folder, 'hook.mjs')
    writeFileSync(
      hook,
      `process.on('SIGUSR2', () => void Promise.reject(new Error('rejected in a test')))
     process.on('SIGWINCH', () => setImmediate(() => { throw new Error('thrown in a test') }))
     process.on('SIGCONT', () => setImmediate(() => { throw Object.assign(new Error('spent'), { code: 'EMFILE' }) }))`,
    )
    const jetty = startJetty(env(), [...parts(), '--import', hook, compiledProgram('src/bin'), 'serve'])
    const { url } = await jetty.ready
    const lines = () =>
      jetty
        .stderr()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
    const find = (text: string) => lines().find(({ err }) => err?.message === text)
    jetty.child.kill('SIGUSR2')
    await until(() => find('rejected in a test') !== undefined)
    expect(find('rejected in a test')).toMatchObject({
      level: 'error',
      err: { stack: expect.stringContaining('hook') },
    })
    jetty.child.kill('SIGCONT')
    await until(() => find('spent') !== undefined)
    expect((await fetch(`${url}/health`)).status).toBe(200)
    jetty.child.kill('SIGWINCH')
    expect(await jetty.exited).toEqual({ code: 70, signal: null })
    expect(find('thrown in a test')).toMatchObject({ level: 'fatal' })
  },
  longTestMs,
)
