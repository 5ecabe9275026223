import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect, it } from 'vitest'
import { ourFiles, root, textOf } from './source-files.ts'

const relativeImport = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g

/** The files that a file imports, types too, as paths from the root. */
const importsOf = (path: string): string[] =>
  [...textOf(path).matchAll(relativeImport)]
    .map(([, target = '']) => posix.join(posix.dirname(path), target))
    .filter((target) => /\.tsx?$/.test(target) && existsSync(join(root, target)))

const reachedFrom = (paths: string[], seen = new Set<string>()): Set<string> => {
  for (const path of paths.filter((one) => !seen.has(one))) {
    seen.add(path)
    reachedFrom(importsOf(path), seen)
  }
  return seen
}

it('a change of anything that the web imports builds it again', async () => {
  const { webInputs } = (await import(join(root, 'scripts/prepare.mjs'))) as { webInputs: string[] }
  const web = ourFiles.filter((path) => path.startsWith('web/') && /\.tsx?$/.test(path) && !path.includes('.test.'))
  const isInput = (path: string) => webInputs.some((input) => path === input || path.startsWith(`${input}/`))
  const reached = [...reachedFrom(web)]
  expect(reached.length).toBeGreaterThan(web.length)
  expect(reached.filter((path) => !isInput(path))).toEqual([])
})
