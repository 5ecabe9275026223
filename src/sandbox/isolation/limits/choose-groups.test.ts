import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemdScopes } from './choose-groups.ts'
import type { ControlGroup } from './control-groups.ts'

/** Finds no manager without its variable, as the real one, and puts nobody into a group. */
const fakeRun = `#!/bin/sh
[ "$XDG_RUNTIME_DIR" = /run/user/1 ] || exit 1
while [ "$1" != -- ]; do shift; done
shift
case "$*" in *cgroup) echo 0::/user/probe.scope ;; *) exec "$@" ;; esac
`
const limits = { memoryBytes: 1, pids: 1, cpus: 1, diskBytes: 1, diskFiles: 1, outputBytes: 1 }

let folder: string
let group: ControlGroup | undefined
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text, { mode: 0o755 })
}
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'scopes-'))
  vi.stubEnv('XDG_RUNTIME_DIR', '/run/user/1')
  write('systemd-run', fakeRun)
  write('mount/user/cgroup.controllers', 'memory pids')
  const at = (name: string) => join(folder, name)
  group = (await systemdScopes({ mount: at('mount'), proc: at('proc'), systemdRun: at('systemd-run') }))?.open(
    'a.1-0',
    limits,
  )
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await group?.remove()
  rmSync(folder, { recursive: true })
})

it('what a scope is asked for with is found whatever environment a command has, and not handed on to it', () => {
  const [file = '', ...args] = group?.launcher ?? []
  const env = { PATH: process.env.PATH, OWN: 'its own' }
  const said = execFileSync(file, [...args, '/bin/sh', '-c', 'echo "$OWN:$XDG_RUNTIME_DIR"'], { env, encoding: 'utf8' })
  expect(said).toBe('its own:\n')
})

it('the group of one that has just been started is not that of the server that started it', () => {
  write('proc/4711/cgroup', '0::/user/jetty-server.service')
  write('mount/user/jetty-server.service/cgroup.procs', '1\n4711\n')
  group?.started(4711)
  expect(group?.pids()).toEqual([])
  write('proc/4711/cgroup', '0::/user/jetty-a.1-0.scope')
  write('mount/user/jetty-a.1-0.scope/cgroup.procs', '4711\n4712\n')
  expect(group?.pids()).toEqual([4711, 4712])
})
