import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root, textOf } from './source-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'jetty-release-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (program: string, ...args: string[]) => {
  const name = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b.c',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b.c',
  }
  const env = { ...process.env, ...name, GIT_CONFIG_GLOBAL: '/dev/null' }
  return spawnSync(program, args, { cwd: folder, encoding: 'utf8', env })
}
const release = (...args: string[]) => run(process.execPath, 'scripts/release.mjs', ...args)
const write = (path: string, text: string) => writeFileSync(join(folder, path), text)
const read = (path: string) => readFileSync(join(folder, path), 'utf8')

beforeAll(() => {
  mkdirSync(join(folder, 'scripts'))
  for (const name of ['release.mjs', 'prepare.mjs']) cpSync(join(root, 'scripts', name), join(folder, 'scripts', name))
  write('package.json', '{\n  "version": "0.1.0"\n}\n')
  write('package-lock.json', '{ "version": "0.1.0", "packages": { "": { "version": "0.1.0" } } }')
  write(
    'README.md',
    'npm install ./jetty-server-0.1.0.tgz # an image is localhost/jetty-server:0.1.0; needs node 0.1.01\n',
  )
  write('CHANGELOG.md', '# Changelog\n\n## Unreleased\n\n- New.\n\n## 0.1.0\n\n- First.\n')
  run('git', 'init', '--quiet', '--initial-branch', 'main')
  run('git', 'add', '--all')
  run('git', 'commit', '--quiet', '--message', 'begin')
})

describe('a release', () => {
  it.each([
    ['0.1.0', 'is not later than 0.1.0'],
    ['0.0.9', 'is not later than 0.1.0'],
    ['next', 'Name the new version'],
  ])('%s is refused', (version, reason) => {
    expect(release(version)).toMatchObject({ status: 1, stderr: expect.stringContaining(reason) })
  })

  it('of changes that are not committed is refused', () => {
    write('new.md', 'x')
    expect(release('0.2.0')).toMatchObject({ status: 1, stderr: expect.stringContaining('Commit them first') })
    rmSync(join(folder, 'new.md'))
  })

  it('is one commit and one tag, with the version wherever it stands', () => {
    expect(release('0.2.0')).toMatchObject({ status: 0, stdout: expect.stringContaining('v0.2.0') })
    expect(run('git', 'status', '--porcelain').stdout).toBe('')
    expect(run('git', 'tag').stdout).toBe('v0.2.0\n')
    expect(JSON.parse(read('package.json')).version).toBe('0.2.0')
    expect(JSON.parse(read('package-lock.json'))).toEqual({ version: '0.2.0', packages: { '': { version: '0.2.0' } } })
    expect(read('README.md')).toBe(
      'npm install ./jetty-server-0.2.0.tgz # an image is localhost/jetty-server:0.2.0; needs node 0.1.01\n',
    )
    expect(read('CHANGELOG.md')).toMatch(
      /^# Changelog\n\n## Unreleased\n\n## 0\.2\.0 \(\d{4}-\d\d-\d\d\)\n\n- New\.\n\n## 0\.1\.0/,
    )
    expect(release('notes', '0.2.0').stdout).toBe('- New.\n')
  })

  it('cannot follow where nothing is new', () => {
    expect(release('0.3.0')).toMatchObject({ status: 1, stderr: expect.stringContaining('nothing under') })
  })
})

it('the changelog has a section for the version of the package', () => {
  expect(textOf('CHANGELOG.md')).toContain(`\n## ${JSON.parse(textOf('package.json')).version}`)
})
