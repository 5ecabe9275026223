import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { root } from './source-files.ts'

/** What a tool of node_modules says when it finds fault; an empty text when it finds none. */
const complaintsOf = async (program: string, args: string[]): Promise<string> => {
  try {
    await promisify(execFile)(process.execPath, [join(root, 'node_modules', program), ...args], {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
    })
    return ''
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    return `${stdout ?? ''}${stderr ?? ''}` || String(error)
  }
}

describe('the whole tree', { timeout: 600_000 }, () => {
  it('is formatted and free of lint', async () => {
    expect(await complaintsOf('@biomejs/biome/bin/biome', ['check', '--colors=off', '.'])).toBe('')
  })

  it.each(['tsconfig.json', 'web/tsconfig.json'])('has no type error by %s', async (project) => {
    expect(await complaintsOf('typescript/bin/tsc', ['--noEmit', '-p', project])).toBe('')
  })
})
