import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ourFiles, programFiles, textOf } from './source-files.ts'

const longestLines = 600
const vague = /(^|[-.])(utils?|helpers?|common|managers?|services?|impl|base|v2|misc)([-.]|$)/
const code = ourFiles.filter((path) => /\.(ts|tsx|mjs|sql|css)$/.test(path))

/** A comment before the first statement. */
const hasReason = (text: string): boolean => /^(#!.*\n)?\s*(\/\*|\/\/|--)/.test(text)

describe('files', () => {
  it('are found at all', () => {
    expect(code.length).toBeGreaterThan(50)
  })

  it(`have at most ${longestLines} lines, or begin with a comment that says why not`, () => {
    const long = code.filter((path) => {
      const text = textOf(path)
      return text.split('\n').length > longestLines + 1 && !hasReason(text)
    })
    expect(long).toEqual([])
  })

  it('of model name no type of Node, since types of the package are made of them', () => {
    const model = programFiles.filter((path) => path.startsWith('src/model/'))
    expect(model.filter((path) => /\b(Buffer|NodeJS)\b/.test(textOf(path)))).toEqual([])
  })

  it('are named in kebab-case for the one thing they hold', () => {
    const names = code.map((path) => posix.basename(path))
    expect(names.filter((name) => vague.test(name.replace(/\.\w+$/, '')))).toEqual([])
    expect(code.filter((path) => path.startsWith('src/') && !/^[a-z0-9._-]+$/.test(posix.basename(path)))).toEqual([])
  })

  it.each(['utils.ts', 'string-helpers.ts', 'base.ts', 'runs-v2.ts', 'run-manager.test.ts'])(
    '%s would be refused',
    (name) => {
      expect(vague.test(name.replace(/\.\w+$/, ''))).toBe(true)
    },
  )
})
