// deploy/jetty.service under a real systemd, which is the first process of a container.
import { cpSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { shellBlocksOf } from '../document-blocks.ts'
import { textOf } from '../house/source-files.ts'
import { buildOptions, type OwnImage } from './own-image.ts'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const container = 'unit'
const image = 'localhost/jetty-unit'

/** systemd 257 uses the first version of control groups only if its command line says so. */
const legacyWords = ['SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1', 'systemd.unified_cgroup_hierarchy=0']

/** The block of docs/deploy.md that installs the unit, without the command that only shows its log. */
const installation = (): string =>
  (shellBlocksOf(textOf('docs/deploy.md')).find(({ text }) => text.startsWith('useradd'))?.text ?? '')
    .replace('$(npm root -g)', '/usr/local/lib/jetty/node_modules')
    .replace(/^journalctl.*$/m, '')

/** Declares the tests of the unit, which use an image that is made meanwhile. */
export const testUnit = (made: () => OwnImage): void => {
  const inside = (text: string) => made().engine.podman('exec', container, 'bash', '-euo', 'pipefail', '-c', text)
  const asJetty = 'runuser -u jetty -- env HOME=/var/lib/jetty JETTY_DATA_DIR=/var/lib/jetty'
  const property = async (name: string) => (await inside(`systemctl show jetty --property ${name} --value`)).trim()
  const untilAnswers = async () => {
    for (let turn = 0; turn < 120; turn += 1) {
      const answers = await inside('curl -sf http://127.0.0.1:7070/api/v1/health').then(
        () => true,
        () => false,
      )
      if (answers) return
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    throw new Error(`the unit does not answer: ${await inside('systemctl status jetty --no-pager || true')}`)
  }

  beforeAll(async () => {
    const { podman } = made().engine
    const context = mkdtempSync(join(made().folder, 'unit-'))
    cpSync(file('stand-ins/Containerfile.systemd'), join(context, 'Containerfile'))
    await podman('build', ...buildOptions, '--build-arg', `BASE=${made().name}`, '--tag', image, context)
    const isLegacy = (await podman('info', '--format', '{{.Host.CgroupsVersion}}')).trim() === 'v1'
    // The unit makes mounts of its own, which Podman forbids by default.
    const allowed = ['--systemd', 'always', '--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined']
    const command = ['/lib/systemd/systemd', ...(isLegacy ? legacyWords : [])]
    await podman('run', '--detach', '--name', container, ...allowed, image, ...command)
    await inside('until systemctl is-system-running --quiet --wait; do systemctl --failed; sleep 1; done')
  })
  afterAll(() =>
    made()
      ?.engine.podman('rm', '--force', '--time', '0', container)
      .catch(() => ''),
  )

  it('is installed by the commands of the guide, and starts', async () => {
    await inside(installation())
    await untilAnswers()
    expect(await property('ActiveState')).toBe('active')
    expect(await inside(`${asJetty} jetty run demo/hello -p name=moon --wait`)).toContain('Hello, moon!')
  })

  it('has no rights, and writes only where it may', async () => {
    const pid = await property('MainPID')
    const status = await inside(`grep -E 'CapBnd|NoNewPrivs|Seccomp:|^Uid' /proc/${pid}/status`)
    expect(status).toMatch(/CapBnd:\t0{16}\n/)
    expect(status).toMatch(/NoNewPrivs:\t1\n/)
    expect(status).toMatch(/Seccomp:\t2\n/)
    expect(status).not.toMatch(/^Uid:\t0/m)
    expect(await inside(`awk '$5 == "/" {print $6}' /proc/${pid}/mountinfo`)).toMatch(/^ro,/)
  })

  it('starts again after kill -9, with its runs', async () => {
    await inside(`kill -9 ${await property('MainPID')}`)
    await inside('until [ "$(systemctl show jetty --property NRestarts --value)" -ge 1 ]; do sleep 0.5; done')
    await untilAnswers()
    expect(await inside(`${asJetty} jetty runs ls demo`)).toContain('hello')
  })

  it('drains when it is stopped, and leaves no process', async () => {
    await inside('systemctl stop jetty')
    expect(await property('Result')).toBe('success')
    expect(await property('ExecMainStatus')).toBe('0')
    expect(await inside('find /proc -maxdepth 1 -user jetty')).toBe('')
  })
}
