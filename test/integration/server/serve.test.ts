import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { findPostgres, stopPostgres } from '../../../src/store/database/postgres-process.ts'
import { fillDataFolder } from '../../crash/harness/data-folder.ts'
import { createTestDatabase } from '../../database.ts'
import { callJetty, killJetties, startJetty, takePort } from '../../jetty-process.ts'
import { builtProgram } from '../../shared.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const longTestMs = 240_000
let parent: string
const folders: string[] = []

const makeHome = (name: string) => {
  const home = join(parent, name)
  mkdirSync(home)
  folders.push(join(home, '.jetty'))
  return home
}

/** A home with a database in which no server has ever started, so that only the first test waits for initdb. */
const makeReadyHome = (name: string) => {
  const home = makeHome(name)
  fillDataFolder(join(home, '.jetty'))
  return home
}
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
const read = (path: string) => readFileSync(path, 'utf8').trim()

beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'jetty-serve-'))
})
afterAll(async () => {
  await killJetties()
  for (const folder of folders) {
    const pid = findPostgres(folder)?.pid
    if (pid) await stopPostgres(pid)
  }
  rmSync(parent, { recursive: true, force: true })
})
afterEach(killJetties)

const isGone = async (pid: number): Promise<boolean> => {
  for (let tries = 0; tries < 600; tries++) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await pause(50)
  }
  return false
}

describe('one data folder', () => {
  let home: string
  beforeAll(() => {
    home = makeHome('one')
  })

  test(
    'the first start makes tokens, keys and a demo, says so on one line, and SIGTERM ends it whole',
    async () => {
      const jetty = startJetty({ HOME: home })
      const line = await jetty.ready
      const data = join(home, '.jetty')
      const tokenPath = join(home, '.config/jetty/token')
      expect(line).toMatchObject({
        event: 'ready',
        role: 'all',
        database: 'embedded',
        data_dir: data,
        token_path: tokenPath,
        pid: jetty.child.pid,
      })
      expect([modeOf(data), modeOf(join(data, 'admin-token')), modeOf(join(data, 'secret-key'))]).toEqual([
        '700',
        '600',
        '600',
      ])
      expect([modeOf(join(home, '.config/jetty')), modeOf(tokenPath)]).toEqual(['700', '600'])
      const apiBase = join(home, '.config/jetty/api_base')
      expect([read(apiBase), modeOf(apiBase)]).toEqual([line.url, '600'])
      const token = read(tokenPath)
      expect(token).toMatch(/^mlc_[a-z0-9]{32}$/)
      expect(existsSync(join(data, 'demo-token'))).toBe(false)

      const collections = await callJetty(line.url, token, 'GET', '/collections/')
      expect(collections.body.map((one: { name: string }) => one.name)).toEqual(['demo'])
      const tasks = await callJetty(line.url, token, 'GET', '/tasks/demo/')
      expect(tasks.body.map((one: { name: string }) => one.name)).toEqual([
        'hello',
        'summarize-file',
        'patience',
        'find-the-fault',
      ])
      const whoami = await callJetty(line.url, read(join(data, 'admin-token')), 'GET', '/auth/whoami')
      expect(whoami.body.access_level).toBe('ADMIN')

      let shown = (await callJetty(line.url, token, 'GET', line.demo_run.split('/api/v1')[1])).body
      for (let tries = 0; tries < 600 && shown.ended === null; tries++) {
        await pause(50)
        shown = (await callJetty(line.url, token, 'GET', line.demo_run.split('/api/v1')[1])).body
      }
      expect([shown.status, shown.steps.say.outputs.text]).toEqual(['completed', 'Hello, world!'])

      const postgres = findPostgres(data)?.pid
      expect(postgres).toBeDefined()
      jetty.child.kill('SIGTERM') // whoever supervises it may say so twice, to it and to its group
      while (!jetty.stderr().includes('draining')) await pause(5)
      expect(await jetty.stop('SIGTERM')).toBe(0)
      expect(await isGone(postgres ?? 0)).toBe(true)
      expect(jetty.stdout().trim().split('\n')).toHaveLength(1)
      expect(jetty.stderr()).not.toMatch(/\n\s+at /)
      expect(jetty.stdout() + jetty.stderr()).not.toContain(token)
    },
    longTestMs,
  )

  test(
    'a second start prints no token; the folder and the port are refused to others; SIGINT drains',
    async () => {
      const jetty = startJetty({ HOME: home })
      const line = await jetty.ready
      expect([line.token_path, line.demo_run]).toEqual([null, null])
      const token = read(join(home, '.config/jetty/token'))
      expect((await callJetty(line.url, token, 'GET', '/tasks/demo')).body).toHaveLength(4)

      const second = startJetty({ HOME: home })
      expect((await second.exited).code).toBe(1)
      expect(second.stderr()).toMatch(
        new RegExp(`^jetty: Another server \\(process ${line.pid}\\) is using the data folder ${home}/.jetty\n`),
      )
      expect(second.stderr()).toContain('JETTY_DATA_DIR')
      expect(second.stdout()).toBe('')
      const same = startJetty({ HOME: home, JETTY_PORT: new URL(line.url).port })
      expect((await same.exited).code).toBe(1)
      expect(same.stderr()).toContain(`jetty: A Jetty server is already running at ${line.url}\n`)

      const patience = { init_params: { seconds: 50 } } // it is not over when the third one looks, nor parked
      const { trajectory_id: id } = (await callJetty(line.url, token, 'POST', '/run/demo/patience', patience)).body
      const postgres = findPostgres(join(home, '.jetty'))?.pid
      expect(await jetty.stop('SIGINT')).toBe(0)
      expect(await isGone(postgres ?? 0)).toBe(true)

      const third = startJetty({ HOME: home })
      const again = await third.ready
      expect(read(join(home, '.config/jetty/api_base'))).toBe(again.url)
      const resumed = await callJetty(again.url, token, 'GET', `/db/trajectory/demo/patience/${id}`)
      expect(['pending', 'running']).toContain(resumed.body.status)
      expect(await third.stop()).toBe(0)
    },
    longTestMs,
  )
})

test(
  'a token that is there is kept: the new one goes to the data folder, and its path is printed',
  async () => {
    const home = makeReadyHome('two')
    mkdirSync(join(home, '.config/jetty'), { recursive: true })
    writeFileSync(join(home, '.config/jetty/token'), 'mlc_of_another_server')
    writeFileSync(join(home, '.jetty/demo-token'), 'mlc_of_an_earlier_database')
    const lent = 'sk-lent-unmistakable-31e7'
    const jetty = startJetty({ HOME: home, JETTY_TRIAL_KEYS: 'OPENAI_API_KEY', OPENAI_API_KEY: lent })
    const line = await jetty.ready
    expect(line.trial_keys).toEqual(['OPENAI_API_KEY'])
    expect(jetty.stdout() + jetty.stderr()).not.toContain(lent)
    const path = join(home, '.jetty/demo-token')
    expect([line.token_path, modeOf(path)]).toEqual([path, '600'])
    expect(read(join(home, '.config/jetty/token'))).toBe('mlc_of_another_server')
    expect(existsSync(join(home, '.config/jetty/api_base'))).toBe(false)
    expect((await callJetty(line.url, read(path), 'GET', '/collections')).status).toBe(200)
    expect(await jetty.stop()).toBe(0)
  },
  longTestMs,
)

test(
  'an api_base that names another server is kept, and the token is not put beside it',
  async () => {
    const home = makeReadyHome('elsewhere')
    mkdirSync(join(home, '.config/jetty'), { recursive: true })
    writeFileSync(join(home, '.config/jetty/api_base'), 'https://flows-api.jetty.io\n')
    const jetty = startJetty({ HOME: home })
    const line = await jetty.ready
    expect(line.token_path).toBe(join(home, '.jetty/demo-token'))
    expect(existsSync(join(home, '.config/jetty/token'))).toBe(false)
    expect(read(join(home, '.config/jetty/api_base'))).toBe('https://flows-api.jetty.io')
    expect(await jetty.stop()).toBe(0)
  },
  longTestMs,
)

test(
  'a home that cannot be written does not stop the first start',
  async () => {
    const home = makeReadyHome('three')
    writeFileSync(join(home, '.config'), 'not a folder')
    const jetty = startJetty({ HOME: home })
    const line = await jetty.ready
    expect(line.token_path).toBe(join(home, '.jetty/demo-token'))
    expect((await callJetty(line.url, read(line.token_path), 'GET', '/tasks/demo')).body).toHaveLength(4)
    expect(await jetty.stop()).toBe(0)
  },
  longTestMs,
)

describe('what is not right is said in words', () => {
  const refused = async (env: Record<string, string>) => {
    const jetty = startJetty({ HOME: parent, JETTY_DATA_DIR: join(parent, 'unused'), ...env })
    const { code } = await jetty.exited
    expect(jetty.stdout()).toBe('')
    expect(jetty.stderr()).not.toMatch(/\n\s+at /)
    return { code, text: jetty.stderr() }
  }

  test('wrong settings: exit code 2, each named with an example', async () => {
    const { code, text } = await refused({
      JETTY_PORT: 'many',
      JETTY_ROLE: 'boss',
      DATABASE_URL: 'mysql://a:geheim@b/c',
    })
    expect(code).toBe(2)
    expect(text).toContain('JETTY_PORT must be a whole number from 0 to 65535; it is "many". Example: JETTY_PORT=8080')
    expect(text).toContain('JETTY_ROLE must be one of: all, api, worker')
    expect(text).toContain('Example: DATABASE_URL=postgres://')
    expect(text).not.toContain('geheim')
    expect(existsSync(join(parent, 'unused'))).toBe(false)
  })

  test('trial keys that are not there, or are none: named, before anything is made', async () => {
    const missing = await refused({ JETTY_TRIAL_KEYS: 'OPENAI_API_KEY' })
    expect([missing.code, missing.text]).toEqual([
      2,
      expect.stringMatching(/^jetty: JETTY_TRIAL_KEYS names OPENAI_API_KEY, but .*\n.*Set OPENAI_API_KEY/),
    ])
    const unknown = await refused({ JETTY_TRIAL_KEYS: 'OPENAI_KEY', OPENAI_KEY: 'sk-unmistakable-0c4d' })
    expect([unknown.code, unknown.text]).toEqual([
      2,
      expect.stringMatching(/OPENAI_KEY, which is not the key[\s\S]*Did you mean/),
    ])
    expect(unknown.text).not.toContain('unmistakable')
    expect(existsSync(join(parent, 'unused'))).toBe(false)
  })

  test(
    'a port in use, an address of another machine, a folder that is none',
    async () => {
      const { port, close } = await takePort()
      const database = await createTestDatabase()
      const env = { DATABASE_URL: database.url, JETTY_DATA_DIR: join(parent, 'words') }
      const taken = await refused({ ...env, JETTY_PORT: String(port) })
      expect([taken.code, taken.text]).toEqual([
        1,
        expect.stringMatching(new RegExp(`^jetty: Port ${port} of 127.0.0.1 is in use.*\n.*JETTY_PORT=8080`)),
      ])
      const elsewhere = await refused({ ...env, JETTY_HOST: '192.0.2.1' })
      expect([elsewhere.code, elsewhere.text]).toEqual([
        2,
        expect.stringMatching(/cannot listen on 192.0.2.1[\s\S]*JETTY_HOST/),
      ])
      writeFileSync(join(parent, 'file'), '')
      const folder = await refused({ ...env, JETTY_DATA_DIR: join(parent, 'file') })
      expect([folder.code, folder.text]).toEqual([
        2,
        expect.stringMatching(/data folder .*\/file cannot be used[\s\S]*JETTY_DATA_DIR/),
      ])
      close()
      await database.drop()
    },
    longTestMs,
  )

  test(
    'a database that does not answer, or refuses',
    async () => {
      const nobody = await takePort()
      nobody.close()
      const silent = await refused({ DATABASE_URL: `postgres://jetty:geheim@127.0.0.1:${nobody.port}/jetty` })
      expect([silent.code, silent.text]).toEqual([1, expect.stringMatching(/DATABASE_URL/)])
      const database = await createTestDatabase()
      const wrong = new URL(database.url)
      wrong.pathname = '/there-is-none'
      const missing = await refused({ DATABASE_URL: wrong.href })
      expect([missing.code, missing.text]).toEqual([1, expect.stringMatching(/there-is-none[\s\S]*DATABASE_URL/)])
      expect(silent.text + missing.text).not.toContain('geheim')
      await database.drop()
    },
    longTestMs,
  )
})

test(
  'npm start: SIGTERM to npm leaves nothing behind',
  async () => {
    await builtProgram() // else it would build for minutes at times
    const home = makeReadyHome('npm')
    const jetty = startJetty({ HOME: home }, ['npm', '--prefix', root, 'start', '--silent'])
    const line = await jetty.ready
    const postgres = findPostgres(join(home, '.jetty'))?.pid
    expect(line.pid).not.toBe(jetty.child.pid)
    jetty.child.kill('SIGTERM')
    await jetty.exited
    expect(await isGone(line.pid)).toBe(true)
    expect(await isGone(postgres ?? 0)).toBe(true)
    await expect(fetch(line.url)).rejects.toThrow()
  },
  longTestMs,
)
