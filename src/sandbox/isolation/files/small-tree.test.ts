import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { smallTree } from './small-tree.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'small-tree-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const openFiles = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return [] // closed meanwhile
    }
  })

const found = () => {
  const names: string[] = []
  for (const { path } of smallTree(root)) names.push(path.toString().replace(/^.*\//, ''))
  return names
}

it('yields each folder after what it holds, and does not follow links', () => {
  mkdirSync(join(root, 'a/b'), { recursive: true })
  writeFileSync(join(root, 'a/b/file'), '')
  symlinkSync('/etc', join(root, 'a/link'))
  execFileSync('mkfifo', [join(root, 'a/b/pipe')])
  expect(found().join(' ')).toMatch(/^((file pipe|pipe file) b link|link (file pipe|pipe file) b) a$/)
})

it.each([
  ['many files', () => Array.from({ length: 101 }, (_, at) => writeFileSync(join(root, `f${at}`), ''))],
  ['a deep folder', () => mkdirSync(join(root, 'a/b/c/d/e/f/g/h/i/j'), { recursive: true })],
  [
    'a link in its place',
    () => {
      rmSync(root, { recursive: true })
      symlinkSync('/etc', root)
    },
  ],
])('refuses %s, and leaves nothing open', (_what, make) => {
  make()
  expect(found).toThrow()
  expect(openFiles().filter((path) => path.startsWith(root))).toEqual([])
})
