import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Locked {
  integrity?: string
  inBundle?: boolean
  link?: boolean
}

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, Locked>
}

/** The package whose tarball a bundled package is part of. */
const outer = (path: string): string => path.slice(0, path.lastIndexOf('/node_modules/'))

const isSound = (path: string): boolean => {
  const { integrity, inBundle, link } = packages[path] ?? {}
  return link === true || integrity?.startsWith('sha512-') || (inBundle === true && isSound(outer(path)))
}

test('every package that npm ci downloads has the checksum of its tarball', () => {
  const downloaded = Object.keys(packages).filter((path) => path.includes('node_modules/'))
  expect(downloaded.length).toBeGreaterThan(500)
  expect(downloaded.filter((path) => !isSound(path))).toEqual([])
  expect(Object.keys(packages).filter((path) => !path.includes('node_modules/'))).toEqual(['', 'test']) // ours
})
