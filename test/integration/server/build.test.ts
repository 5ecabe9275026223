import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
let clone: string

const write = (files: Record<string, string>) => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(clone, name)), { recursive: true })
    writeFileSync(join(clone, name), content)
  }
}

/** A clone with next to nothing in it, which the scripts build as they build the whole. */
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'jetty-build-'))
  for (const name of ['scripts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(root, name), join(clone, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
  write({
    'src/bin.ts': 'export const one: number = 1\n',
    'src/api/contract.ts': 'export const contract = {}\n',
    'src/client/operations.ts': 'export const describeOperations = (contract: object): object => contract\n',
    'web/index.html': '<!doctype html><script type="module" src="./main.js"></script>',
    'web/main.js': 'document.title = "first"',
    'web/vite.config.ts': 'export default { root: import.meta.dirname }',
  })
})
afterAll(() => rmSync(clone, { recursive: true, force: true }))

const build = (...args: string[]) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs', ...args], {
    cwd: clone,
    encoding: 'utf8',
  })
  expect([status, status === 0 ? '' : stderr]).toEqual([0, ''])
}
const compileForTests = () => {
  const script = "import('./scripts/compile.mjs').then((script) => script.compileForTests())"
  expect(spawnSync(process.execPath, ['-e', script], { cwd: clone }).status).toBe(0)
}
const assets = (folder: string) => {
  const path = join(clone, 'dist', folder, 'assets')
  return existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.js')) : []
}
const stamp = (name: string) => readFileSync(join(clone, 'dist', name), 'utf8')
const marked = (name: string) => existsSync(join(clone, 'dist', name))

describe('a build', { timeout: 240_000 }, () => {
  test('has both halves, and packs the assets', () => {
    build()
    expect(readFileSync(join(clone, 'dist/client/operations.json'), 'utf8')).toBe('{}')
    expect(assets('web')).toHaveLength(1)
    expect(stamp('web/licenses.md')).toContain('The Geist Project Authors')
    expect(marked('bin.js')).toBe(true)
    expect(assets('web-before')).toEqual([])
  })

  test('keeps the other half when one has changed, and the assets of the build before', () => {
    const [first] = assets('web')
    const source = stamp('.jetty-build')
    write({ 'dist/mark-of-source': '', 'web/main.js': `document.title = ${JSON.stringify('second '.repeat(300))}` })
    build()
    expect(marked('mark-of-source')).toBe(true)
    expect(stamp('.jetty-build')).toBe(source)
    expect(assets('web-before')).toEqual([first])
    const [second] = assets('web')
    expect(second).not.toBe(first)
    expect(marked(`web/assets/${second}.gz`)).toBe(true)

    write({ 'dist/web/mark-of-web': '', 'src/bin.ts': 'export const two: number = 2\n' })
    compileForTests()
    write({ 'dist.tests/mark-of-tests': '' })
    build()
    expect([marked('mark-of-source'), marked('web/mark-of-web')]).toEqual([false, true])
    expect(marked('mark-of-tests')).toBe(true) // what tests have compiled is not compiled again
    expect([assets('web'), assets('web-before')]).toEqual([[second], [first]])
  })

  test('does nothing where nothing has changed, and everything with --all', () => {
    write({ 'dist/mark-of-source': '', 'dist/web/mark-of-web': '' })
    build()
    expect([marked('mark-of-source'), marked('web/mark-of-web')]).toEqual([true, true])
    const before = assets('web-before')
    build('--all')
    expect(['mark-of-source', 'mark-of-tests', 'web/mark-of-web'].filter(marked)).toEqual([])
    expect(assets('web-before')).toEqual(before) // the same assets again are no version of their own
  })

  test('that fails leaves the one before', () => {
    write({ 'web/main.js': 'this is no script' })
    expect(spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: clone }).status).toBe(1)
    expect([marked('bin.js'), assets('web').length]).toEqual([true, 1])
    expect(readdirSync(clone).filter((name) => name.startsWith('dist'))).toEqual(['dist', 'dist.tests'])
  })
})
