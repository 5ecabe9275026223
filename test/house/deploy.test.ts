import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { settingList } from '../../src/lib/settings/config.ts'
import { version } from '../../src/lib/version.ts'
import { root, textOf } from './source-files.ts'

const hasSystemd = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status === 0
const folder = mkdtempSync(join(tmpdir(), 'jetty-units-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('deploy/compose.yaml', () => {
  const { services } = parse(textOf('deploy/compose.yaml'))

  it('sets only what the server reads, and names the image of this version', () => {
    const known = settingList.map(({ variable }) => variable)
    expect(Object.keys(services.jetty.environment).filter((name) => !known.includes(name))).toEqual([])
    expect(services.jetty.image).toContain(`localhost/jetty-server:${version}`)
  })

  it('has no secret of its own', () => {
    const values = Object.values<{ environment?: object }>(services).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(([name]) => /PASSWORD|SECRET|ACCESS_KEY/.test(name)),
    )
    expect(values.length).toBeGreaterThan(3)
    for (const [name, value] of values)
      expect([name, value]).toEqual([name, expect.stringMatching(/^\$\{\w+:\?[^}]+\}$/)])
  })
})

describe.skipIf(!hasSystemd)('deploy/jetty.service', () => {
  const unit = join(folder, 'jetty.service')
  cpSync(join(root, 'deploy/jetty.service'), unit)
  const exposure = (): number => {
    const said = execFileSync('systemd-analyze', ['security', '--offline=yes', '--no-pager', unit], {
      encoding: 'utf8',
    })
    return Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1])
  }

  it('is a unit without faults, and is exposed little', () => {
    expect(spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    })
    expect(exposure()).toBeLessThanOrEqual(1.8)
  })

  it('lets go of what sandboxes need, and of no more', () => {
    mkdirSync(`${unit}.d`)
    cpSync(join(root, 'deploy/sandboxes.conf'), join(`${unit}.d`, 'sandboxes.conf'))
    expect(spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    })
    expect(exposure()).toBeLessThanOrEqual(4)
  })
})
