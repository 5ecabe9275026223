import { execFile } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { findPackage } from '../../src/store/database/postgres-binaries.ts'
import { root } from './built.ts'
import { isQuick } from './quick.ts'
import type { Circumstances } from './results.ts'

const run = promisify(execFile)

/** `commit` ends in `+` where files differ from it, but for the results that are being written. */
const commitNow = async (): Promise<string> => {
  const git = async (...args: string[]) => (await run('git', args, { cwd: root })).stdout.trim()
  try {
    const changed = await git('status', '--porcelain', '--untracked-files=no', '.', ':!bench/results.json')
    return `${await git('rev-parse', '--short=12', 'HEAD')}${changed ? '+' : ''}`
  } catch {
    return 'unknown'
  }
}

/** What a figure depends on besides the code. */
export const findCircumstances = async (): Promise<Circumstances> => ({
  at: new Date().toISOString(),
  commit: await commitNow(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 1024 ** 3),
  system: `${process.platform} ${process.arch}`,
  node: process.versions.node,
  postgres: findPackage().version,
  isQuick,
})
