// What a server that nobody watches says in its log, when it starts, of the sandboxes that it can make.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { dialPostgres } from '../../database-server.ts'
import { type JettyProcess, killJetties, startJetty } from '../../jetty-process.ts'
import type { Body } from '../../server.ts'

let database: TestDatabase
let folder: string
beforeAll(async () => {
  database = await createTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'jetty-at-start-'))
})
afterAll(async () => {
  await killJetties()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true })
})

const start = (env: Record<string, string>): JettyProcess =>
  startJetty({ DATABASE_URL: database.url, JETTY_DATA_DIR: folder, ...env })

/** A way to the database that tells of the first who goes there. */
const openDoor = async (onFirst: () => void) => {
  const url = new URL(database.url)
  const door = createServer((outer) => {
    const inner = dialPostgres(database.url)
    for (const socket of [outer, inner]) socket.on('error', () => {})
    outer.pipe(inner).pipe(outer)
  }).listen(0, '127.0.0.1')
  door.once('connection', onFirst)
  await once(door, 'listening')
  url.hostname = '127.0.0.1'
  url.port = String((door.address() as AddressInfo).port)
  return { url: url.href, close: () => void door.close() }
}

const until = async (fits: () => boolean): Promise<void> => {
  while (!fits()) await pause(20)
}

const saidOfSandboxes = ({ stderr }: JettyProcess): Body[] =>
  stderr()
    .split('\n')
    .filter((line) => line.includes('"sandbox"'))
    .map((line) => JSON.parse(line))

it('says once what there is, or what to do, and nothing where it carries nothing out or is stopped at once', async () => {
  const has = start({})
  const lacks = start({ JETTY_SANDBOX: 'podman', JETTY_SANDBOX_SOCKET: '/nowhere/podman.sock', JETTY_ROLE: 'worker' })
  const asks = start({ JETTY_ROLE: 'api' })
  const door = await openDoor(() => short.child.kill('SIGTERM'))
  const short = start({ DATABASE_URL: door.url })
  expect((await short.ready).event).toBe('ready')
  expect((await short.exited).code).toBe(0)
  door.close()
  await Promise.all([has, lacks, asks].map(({ ready }) => ready))
  await until(() => saidOfSandboxes(has).length > 0 && saidOfSandboxes(lacks).length > 0)
  expect(await Promise.all([has, lacks, asks].map((server) => server.stop()))).toEqual([0, 0, 0])
  const found = expect.stringMatching(/^bubblewrap [\d.]+; memory /)
  expect(saidOfSandboxes(has)).toEqual([expect.objectContaining({ level: 'info', sandbox: found })])
  expect(saidOfSandboxes(lacks)).toEqual([
    expect.objectContaining({
      level: 'warn',
      sandbox: expect.stringContaining('/nowhere/podman.sock'),
      remedy: expect.stringMatching(/podman\.socket|podman system service/),
    }),
  ])
  expect([asks, short].map(saidOfSandboxes)).toEqual([[], []])
}, 120_000)
