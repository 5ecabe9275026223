import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from '../../src/database/embedded.ts'
import { findPostgres, stopPostgres } from '../../src/database/postgres-process.ts'
import { isAlive } from '../../src/lib/living-process.ts'
import { createLogger } from '../../src/lib/log.ts'
import { pause } from '../../src/lib/time.ts'

const childFile = fileURLToPath(new URL('./embedded-child.ts', import.meta.url))
const projectRoot = fileURLToPath(new URL('../..', import.meta.url))
const logger = createLogger({ level: 'silent' })
const nobody = 65_534
const isRoot = process.getuid?.() === 0

let parent: string
let dataDir: string
let running: EmbeddedPostgres[]
let children: ChildProcess[]

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'jetty-embedded-'))
  dataDir = join(parent, 'data')
  running = []
  children = []
})

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const postgres of running) await postgres.stop()
  const left = findPostgres(dataDir)
  if (left) await stopPostgres(left.pid)
  rmSync(parent, { recursive: true, force: true })
})

const start = async (): Promise<EmbeddedPostgres> => {
  const postgres = await startOrAdoptPostgres({ dataDir, logger })
  running.push(postgres)
  return postgres
}

const stop = async (postgres: EmbeddedPostgres): Promise<void> => {
  running.splice(running.indexOf(postgres), 1)
  await postgres.stop()
}

interface Started {
  child: ChildProcess
  url: string
  port: number
  pid: number
  uid: number
}

/** The same in another process, which leads a process group of its own. */
const startInChild = async (options: { uid?: number; gid?: number } = {}): Promise<Started> => {
  const child = spawn(process.execPath, ['--import', 'tsx', childFile, dataDir], {
    ...options,
    cwd: projectRoot,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: parent, TMPDIR: parent },
  })
  children.push(child)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [undefined])])) as [string?]
  if (!line) throw new Error('the child ended before its Postgres was up')
  return { child, ...JSON.parse(line) }
}

const killGroup = async (child: ChildProcess): Promise<void> => {
  process.kill(-(child.pid ?? 0), 'SIGKILL')
  await once(child, 'exit')
}

const ask = async (url: string, text: string): Promise<unknown[]> => {
  const database = openDatabase(url, { connections: 1 })
  try {
    return await database.query(text)
  } finally {
    await database.close()
  }
}

/** Milliseconds until the database answers again. */
const untilAnswer = async (url: string): Promise<number> => {
  const from = performance.now()
  while (performance.now() - from < 60_000) {
    const answered = await ask(url, 'select 1').catch(() => undefined)
    if (answered) return performance.now() - from
    await pause(10)
  }
  throw new Error('the database did not come back within 60 s')
}

describe('the embedded Postgres', () => {
  it('keeps its data and its port over a stop, and its files to itself', async () => {
    const first = await start()
    await ask(first.url, 'create table kept as select 42 as answer')
    expect(first.adopted).toBe(false)
    await stop(first)
    expect(isAlive(first.pid)).toBe(false)
    const second = await start()
    expect(second.url).toBe(first.url)
    expect(await ask(second.url, 'select * from kept')).toEqual([{ answer: 42 }])
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
    expect(statSync(join(dataDir, 'database-password')).mode & 0o777).toBe(0o600)
  })

  it('commits to disk, listens on loopback only and opens no socket file', async () => {
    const { url } = await start()
    const text = `select name, setting from pg_settings where name in
      ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'unix_socket_directories') order by name`
    expect(await ask(url, text)).toEqual([
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'listen_addresses', setting: '127.0.0.1' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'unix_socket_directories', setting: '' },
    ])
  })

  it('outlives the process group of a server that is killed, and is taken over', async () => {
    const killed = await startInChild()
    await ask(killed.url, 'create table kept as select 42 as answer')
    await killGroup(killed.child)
    expect(isAlive(killed.pid)).toBe(true)
    const next = await start()
    expect(next).toMatchObject({ adopted: true, pid: killed.pid, url: killed.url })
    expect(await ask(next.url, 'select * from kept')).toEqual([{ answer: 42 }])
    await stop(next)
    expect(isAlive(killed.pid)).toBe(false)
  })

  it('starts again when server and Postgres were both killed', async () => {
    const killed = await startInChild()
    await ask(killed.url, 'create table kept as select 42 as answer')
    process.kill(killed.pid, 'SIGKILL')
    await killGroup(killed.child)
    const again = findPostgres(dataDir)
    if (again) process.kill(again.pid, 'SIGKILL') // it was faster than us
    const next = await start()
    expect(next.port).toBe(killed.port)
    expect(await ask(next.url, 'select * from kept')).toEqual([{ answer: 42 }])
  })

  it('is not fooled by a pid file whose pid belongs to another program by now', async () => {
    const first = await start()
    await stop(first)
    writeFileSync(join(dataDir, 'db/postmaster.pid'), `${process.pid}\n${dataDir}/db\n1\n${first.port}\n\n\n\nready\n`)
    const next = await start()
    expect(next.adopted).toBe(false)
    expect(await ask(next.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('comes back on the same port within 2 s, and each time it is killed', async () => {
    const postgres = await start()
    const away: number[] = []
    for (let round = 0; round < 3; round++) {
      const { pid } = postgres
      process.kill(pid, 'SIGKILL')
      away.push(await untilAnswer(postgres.url))
      while (postgres.pid === pid) await pause(10)
    }
    const [fastest = 0, median] = away.sort((left, right) => left - right)
    expect(fastest).toBeLessThan(2_000) // others use the machine too
    expect(median).toBeLessThan(10_000)
  })

  it('comes back also when it was taken over', async () => {
    const killed = await startInChild()
    await killGroup(killed.child)
    const postgres = await start()
    process.kill(postgres.pid, 'SIGKILL')
    expect(await untilAnswer(postgres.url)).toBeGreaterThanOrEqual(0)
  })

  it('can be stopped while it is being started again', async () => {
    const postgres = await start()
    const { pid } = postgres
    process.kill(pid, 'SIGKILL')
    while (isAlive(pid)) await pause(1)
    await stop(postgres)
    expect(findPostgres(dataDir)).toBeUndefined()
  })

  it('refuses a second server and names the first', async () => {
    const first = await startInChild()
    await expect(start()).rejects.toThrow(`Another server (process ${first.child.pid}) is using the data folder`)
    first.child.kill('SIGTERM')
    await once(first.child, 'exit')
    expect(isAlive(first.pid)).toBe(false)
    expect((await start()).adopted).toBe(false)
  })

  it('lets one of several win that start at the same moment on an empty folder', async () => {
    const results = await Promise.allSettled([start(), start(), start()])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected'])
  })

  it('takes another port when its own is in use', async () => {
    const first = await start()
    await stop(first)
    const squatter = createServer().listen(first.port, '127.0.0.1')
    await once(squatter, 'listening')
    const second = await start()
    squatter.close()
    expect(second.port).not.toBe(first.port)
    expect(readFileSync(join(dataDir, 'database-port'), 'utf8').trim()).toBe(String(second.port))
  })

  it('works below a folder that is closed to others', async () => {
    chmodSync(parent, 0o700)
    dataDir = join(parent, 'closed', 'data')
    mkdirSync(join(parent, 'closed'), { mode: 0o700 })
    expect(await ask((await start()).url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('explains what is wrong with a lost password', async () => {
    await stop(await start())
    writeFileSync(join(dataDir, 'database-password'), 'another\n')
    await expect(start()).rejects.toThrow(/does not accept this server: password authentication failed/)
    expect(findPostgres(dataDir)).toBeUndefined()
  })

  const canRead = isRoot && spawnSync('cat', [childFile], { uid: nobody, gid: nobody, cwd: '/' }).status === 0
  const why = isRoot ? (canRead ? '' : ' (skipped: nobody cannot read this checkout)') : ' (skipped: needs root)'

  it.skipIf(!canRead)(`works for an ordinary user${why}`, async () => {
    chownSync(parent, nobody, nobody)
    const own = await startInChild({ uid: nobody, gid: nobody })
    expect(own.uid).toBe(nobody)
    expect(statSync(join(dataDir, 'db')).uid).toBe(nobody)
    expect(await ask(own.url, 'select 1 as one')).toEqual([{ one: 1 }])
    own.child.kill('SIGTERM')
    expect((await once(own.child, 'exit'))[0]).toBe(0)
    expect(isAlive(own.pid)).toBe(false)
  })

  it.skipIf(!isRoot)(
    `works as nobody where root may make no user namespace${isRoot ? '' : ' (skipped: needs root)'}`,
    async () => {
      chmodSync(parent, 0o711)
      const postgres = await startOrAdoptPostgres({ dataDir, logger, account: 'nobody' })
      running.push(postgres)
      expect(statSync(join(dataDir, 'db')).uid).toBe(nobody)
      await stop(postgres)
      expect(await ask((await start()).url, 'select 1 as one')).toEqual([{ one: 1 }]) // and back again
    },
  )

  it.skipIf(!isRoot)(
    `says what to do when nobody cannot come in${isRoot ? '' : ' (skipped: needs root)'}`,
    async () => {
      chmodSync(parent, 0o700)
      await expect(startOrAdoptPostgres({ dataDir, logger, account: 'nobody' })).rejects.toThrow(`${parent} is closed`)
    },
  )
})
