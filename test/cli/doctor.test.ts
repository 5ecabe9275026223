// What `jetty doctor` says of sandboxes. What a machine lacks is taken away in a mount namespace of the command alone.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let jetty: TestServer
let shell: Shell
let folder: string
beforeAll(async () => {
  jetty = await startTestServer()
  shell = openShell(jetty.url, jetty.server.adminToken)
  folder = mkdtempSync(join(tmpdir(), 'jetty-doctor-'))
})
afterAll(async () => {
  shell?.close()
  rmSync(folder, { recursive: true, force: true })
  await jetty?.close()
})

/** What it found; `instead` is a program in the place of bubblewrap, `nothing` takes that away. */
const nothing = ''
const doctor = async ({ env, instead }: { env?: Record<string, string>; instead?: string }) => {
  const other = join(folder, 'bwrap')
  writeFileSync(other, instead ?? '')
  chmodSync(other, instead === nothing ? 0o644 : 0o755)
  const script = `mount --bind ${other} "$(command -v bwrap)" && exec "$@"`
  const under = instead === undefined ? [] : ['unshare', '--mount', '--', 'sh', '-c', script, 'sh']
  const { stdout, code, stderr } = await shell.jetty(['doctor', '--json'], {
    under,
    env: { JETTY_PORT: '0', JETTY_DATA_DIR: join(folder, 'data'), ...env },
  })
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout).find(({ name }: { name: string }) => name === 'sandbox')
}

it('tries a sandbox, says how its limits are kept, and leaves nothing behind', async () => {
  const temporary = join(folder, 'temporary')
  mkdirSync(temporary)
  expect(await doctor({ env: { TMPDIR: temporary } })).toEqual({
    name: 'sandbox',
    state: 'ok',
    found: expect.stringMatching(/^bubblewrap [\d.]+; memory .+, pids .+, cpu .+, disk watched$/),
  })
  expect(existsSync(join(folder, 'data'))).toBe(false)
  expect(readdirSync(temporary)).toEqual([])
})

it('says of a plain process that it isolates nothing', async () => {
  expect(await doctor({ env: { JETTY_SANDBOX: 'process' } })).toMatchObject({
    state: 'warning',
    found: expect.stringContaining('no isolation'),
    remedy: expect.stringContaining('JETTY_SANDBOX=bubblewrap'),
  })
})

describe.runIf(process.getuid?.() === 0 && process.platform === 'linux')('says what to do', () => {
  it('where bubblewrap is not there', async () => {
    expect(await doctor({ instead: nothing })).toMatchObject({
      state: 'warning',
      found: expect.stringContaining('bubblewrap is not installed'),
      remedy: expect.stringContaining('apt install bubblewrap'),
    })
  })

  it.each([
    ['AppArmor keeps it from making namespaces', 'setting up uid map: Permission denied', '/etc/apparmor.d/bwrap'],
    ['it may not set up a network', 'loopback: Failed RTM_NEWADDR: Operation not permitted', '/etc/apparmor.d/bwrap'],
    ['a container hides /proc', "Can't mount proc on /newroot/proc: Operation not permitted", 'unmask=ALL'],
    ['a container forbids a system call', "Can't set hostname to sandbox: Operation not permitted", 'unmask=ALL'],
    ['it says what nobody has heard of', 'something else', 'Sandboxes do not start'],
    ['namespaces are used up', 'Creating new namespace failed: No space left on device', 'max_user_namespaces'],
  ])('where %s', async (_what, said, remedy) => {
    expect(await doctor({ instead: `#!/bin/sh\necho "bwrap: ${said}" >&2\nexit 1\n` })).toMatchObject({
      state: 'warning',
      found: expect.stringContaining(said),
      remedy: expect.stringContaining(remedy),
    })
  })
})
