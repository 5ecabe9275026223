import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { root } from './source-files.ts'

/** What a tool of node_modules says when it finds fault; an empty text when it finds none. */
const complaintsOf = async (program: string, args: string[], env: Record<string, string> = {}): Promise<string> => {
  try {
    await promisify(execFile)(process.execPath, [join(root, 'node_modules', program), ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      maxBuffer: 64 * 1024 * 1024,
    })
    return ''
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    return `${stdout ?? ''}${stderr ?? ''}` || String(error)
  }
}

/** The compiler takes 1.6 GB and collects no garbage before 3: it spends half of its time on that otherwise. */
const memory = { GOGC: 'off', GOMEMLIMIT: '3GiB' }

describe('the whole tree', { timeout: 600_000 }, () => {
  it('is formatted and free of lint', async () => {
    expect(await complaintsOf('@biomejs/biome/bin/biome', ['check', '--colors=off', '.'])).toBe('')
  })

  it.each([
    ['tsconfig.json', 'server'],
    ['web/tsconfig.json', 'web'],
  ])('has no type error by %s', async (project, name) => {
    const isKnown = existsSync(join(root, 'node_modules/.cache/jetty-types', `${name}.tsbuildinfo`))
    // Where nobody has checked before, notes for the next time cost three times as much as the check.
    const once = isKnown ? [] : ['--incremental', 'false', '--tsBuildInfoFile', 'null', '--checkers', '1']
    expect(await complaintsOf('typescript/bin/tsc', ['--noEmit', '-p', project, ...once], memory)).toBe('')
  })
})
