import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAlive } from '../../src/lib/living-process.ts'
import { createLogger } from '../../src/lib/log.ts'
import { pause } from '../../src/lib/time.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from '../../src/store/database/embedded.ts'
import type { AccountKind } from '../../src/store/database/postgres-account.ts'
import { findPostgres, stopPostgres } from '../../src/store/database/postgres-process.ts'

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
const startInChild = async (options: { uid?: number; gid?: number } = {}, account?: AccountKind): Promise<Started> => {
  const child = spawn(process.execPath, ['--import', 'tsx', childFile, dataDir, ...(account ? [account] : [])], {
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

  it('commits to disk, and listens on loopback and on a socket for its owner alone', async () => {
    const { adminUrl, url, port } = await start()
    const text = `select name, setting from pg_settings where name in
      ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'unix_socket_directories') order by name`
    expect(await ask(adminUrl, text)).toEqual([
      { name: 'fsync', setting: 'on' },
      { name: 'full_page_writes', setting: 'on' },
      { name: 'listen_addresses', setting: '127.0.0.1' },
      { name: 'synchronous_commit', setting: 'on' },
      { name: 'unix_socket_directories', setting: '.' },
    ])
    const cluster = join(dataDir, 'db')
    expect(statSync(join(cluster, `.s.PGSQL.${port}`)).mode & 0o777).toBe(0o700)
    expect(decodeURIComponent(new URL(url).hostname)).toBe(cluster)
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

  it('is not fooled by files of a dead one whose pid belongs to another program by now', async () => {
    const first = await start()
    await stop(first)
    const other = spawn('sleep', ['300'], isRoot ? { uid: nobody, gid: nobody } : {}) // a postmaster heeds its own user's
    children.push(other)
    writeFileSync(join(dataDir, 'db/postmaster.pid'), `${other.pid}\n${dataDir}/db\n1\n${first.port}\n\n\n\nready\n`)
    const socket = join(dataDir, `db/.s.PGSQL.${first.port}`)
    writeFileSync(`${socket}.lock`, `${other.pid}\n${dataDir}/db\n1\n${first.port}\n${dataDir}/db\n`)
    const next = await start()
    expect(next.adopted).toBe(false)
    expect(next.port).toBe(first.port)
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
})

describe.skipIf(!isRoot)(`the embedded Postgres under root${isRoot ? '' : ' (skipped: needs root)'}`, () => {
  const uidOf = (pid: number) => Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

  it('runs as an unprivileged user that cannot read what is root’s, be it asked by its superuser', async () => {
    const postgres = await start()
    const secret = join(dataDir, 'database-password')
    expect(uidOf(postgres.pid)).toBe(nobody)
    expect(statSync(join(dataDir, 'db')).uid).toBe(nobody)
    await expect(ask(postgres.adminUrl, `select pg_read_file('${secret}')`)).rejects.toThrow('Permission denied')
    await ask(postgres.adminUrl, 'create table stolen (line text)')
    await expect(ask(postgres.adminUrl, `copy stolen from program 'cat ${secret}'`)).rejects.toThrow('failed')
    await expect(ask(postgres.adminUrl, `copy stolen from program 'cat ../database-password'`)).rejects.toThrow(
      'failed',
    )
  })

  it('makes a folder of root its own, and restarts a Postgres that still runs as root', async () => {
    const old = await startInChild({}, 'user-namespace')
    await ask(old.url, 'create table kept as select 42 as answer')
    expect(uidOf(old.pid)).toBe(0)
    await killGroup(old.child)
    const next = await start()
    expect(next.adopted).toBe(false)
    expect(uidOf(next.pid)).toBe(nobody)
    for (const name of ['', 'base', 'global/pg_control', 'jetty.conf', 'postgresql.conf'])
      expect([name, statSync(join(dataDir, 'db', name)).uid]).toEqual([name, nobody])
    expect(await ask(next.url, 'select * from kept')).toEqual([{ answer: 42 }])
  })

  it('keeps the owner that its folder has', async () => {
    const first = await start()
    await stop(first)
    const other = 64_321
    spawnSync('chown', ['-R', `${other}:${other}`, join(dataDir, 'db')])
    const again = await start()
    expect(uidOf(again.pid)).toBe(other)
    expect(await ask(again.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('runs in a user namespace where root may not change users, as an ordinary role all the same', async () => {
    const postgres = await startOrAdoptPostgres({ dataDir, logger, account: 'user-namespace' })
    running.push(postgres)
    expect(uidOf(postgres.pid)).toBe(0)
    await expect(ask(postgres.url, `copy (select 1) to program 'cat'`)).rejects.toThrow('permission denied')
  })

  it('is not led astray by a link in the place of its settings', async () => {
    const first = await start()
    await stop(first)
    const precious = join(parent, 'precious')
    writeFileSync(precious, 'of root')
    rmSync(join(dataDir, 'db/jetty.conf'))
    symlinkSync(precious, join(dataDir, 'db/jetty.conf'))
    await start()
    expect(readFileSync(precious, 'utf8')).toBe('of root')
    expect(statSync(precious).uid).toBe(0)
  })
})

describe('the role of the server', () => {
  it('owns its database and may nothing else', async () => {
    const { url } = await start()
    expect(
      await ask(
        url,
        `select current_user::text, rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls as more,
           (select pg_get_userbyid(datdba)::text from pg_database where datname = current_database()) as owner
         from pg_roles where rolname = current_user`,
      ),
    ).toEqual([{ current_user: 'jetty_server', more: false, owner: 'jetty_server' }])
    expect(await ask(url, `select from pg_auth_members where member = current_user::regrole`)).toEqual([])
    await ask(url, 'create table lines (line text)')
    const secret = join(dataDir, 'database-password')
    for (const attack of [
      `copy lines from program 'id'`,
      `copy lines to program 'id'`,
      `copy lines from '/etc/passwd'`,
      `copy lines to '/tmp/jetty-attack'`,
      `copy lines from '${secret}'`,
      `select pg_read_file('${secret}')`,
      `select pg_ls_dir('.')`,
      `select lo_import('/etc/passwd')`,
      'create extension file_fdw',
      `create function run(text) returns int as 'libc.so.6', 'system' language c`,
      "alter system set archive_command = 'id'",
      'create role more superuser',
      'alter role jetty_server superuser',
      'set role jetty',
      'create database more',
    ]) {
      await expect(ask(url, attack), attack).rejects.toThrow(/permission denied|must be|is not available|not exist/i)
    }
    await expect(ask(url.replace(/postgres$/, 'template1'), 'select 1')).rejects.toThrow('permission denied')
  })

  it('becomes the owner of all that the superuser owned in a folder of before', async () => {
    const first = await start()
    await ask(
      first.adminUrl,
      `alter database postgres owner to jetty; drop owned by jetty_server; drop role jetty_server;
       create schema dbos; create table dbos.status (id bigint generated always as identity, at text);
       create table kept (id serial primary key, answer int); insert into kept (answer) values (42);
       create sequence numbers; create view seen as select * from kept; create type mood as enum ('sad', 'glad');
       create function answer() returns int language sql as 'select 42'`,
    )
    await stop(first)
    const { url } = await start()
    await ask(
      url,
      `insert into kept (answer) values (43); insert into dbos.status (at) values ('now'); alter table kept add more int;
       alter sequence numbers restart; drop view seen; alter type mood add value 'fair'; drop function answer();
       alter schema dbos rename to other`,
    )
    expect(await ask(url, 'select answer from kept order by id')).toEqual([{ answer: 42 }, { answer: 43 }])
  })
})
