import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { filePart, readInputText, readJson } from './inputs.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-inputs-'))
  writeFileSync(join(folder, 'notes.md'), '# Notes\n\nNothing that is JSON.\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('a file that cannot be used', () => {
  it.each([
    ['.', 'it is a folder'],
    ['nowhere.txt', 'no such file or folder'],
    ['notes.md/inside', 'a part of its path is a file, not a folder'],
  ])('%s: %s, whether its text is wanted or it is sent', async (name, reason) => {
    const path = join(folder, name)
    expect(() => readInputText(path)).toThrow(`${path} cannot be read: ${reason}`)
    await expect(filePart('files', path)).rejects.toThrow(`${path} cannot be read: ${reason}`)
  })

  it('is told in one line where it is not JSON', () => {
    const path = join(folder, 'notes.md')
    expect(() => readJson(path)).toThrow(/^.*notes\.md is not JSON: .*$/)
  })
})
