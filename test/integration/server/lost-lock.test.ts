import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findPostgres, stopPostgres } from '../../../src/store/database/postgres-process.ts'
import { fillDataFolder } from '../../crash/harness/data-folder.ts'
import { type JettyProcess, startJetty } from '../../jetty-process.ts'

let parent: string
let folder: string
let jetty: JettyProcess | undefined
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'jetty-lock-'))
  folder = join(parent, 'data')
  fillDataFolder(folder)
})
afterEach(async () => {
  jetty?.child.kill('SIGKILL')
  const left = findPostgres(folder)
  if (left) await stopPostgres(left.pid)
  rmSync(parent, { recursive: true, force: true })
})

const hasFlock = spawnSync('flock', ['--version']).status === 0

test('a server whose lock is lost lets no second one in, and one whose lock is taken ends at once', async () => {
  jetty = startJetty({ JETTY_DATA_DIR: folder, HOME: folder })
  await jetty.ready
  const lock = join(folder, 'lock')
  const holder = JSON.parse(readFileSync(lock, 'utf8'))
  if (hasFlock) {
    rmSync(lock)
    const second = startJetty({ JETTY_DATA_DIR: folder, HOME: folder })
    expect((await second.exited).code).not.toBe(0)
    expect(second.stderr()).toContain('is using the data folder')
  }
  writeFileSync(lock, JSON.stringify({ ...holder, pid: 4321, nonce: 'of another server' }))
  expect((await jetty.exited).code).toBe(1)
  expect(jetty.stderr()).toContain(`Another server (process 4321) has taken the data folder ${folder}`)
  expect(findPostgres(folder)).toBeDefined() // the other one works with it
})
