import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bundle, isRooted } from '../scripts/bundle.mjs'
import { build, root } from '../scripts/prepare.mjs'

/** Builds `dist`, and in it the program with its packages in the same few files; a build removes what it had of these. */
export const buildBundled = async () => {
  build()
  const dist = join(root, 'dist')
  const folder = join(dist, '.jetty-bundled')
  if (existsSync(folder)) return
  const draft = mkdtempSync(join(dist, '.jetty-bundled-'))
  await bundle([join(dist, 'program/bin.js')], draft, dist, isRooted)
  try {
    renameSync(draft, folder)
  } catch {
    rmSync(draft, { recursive: true }) // another test run was faster
  }
}
