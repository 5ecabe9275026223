import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ourFiles, programFiles, root, textOf } from './source-files.ts'

const guides = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)

const guideText = [...guides, 'SECURITY.md', 'CONTRIBUTING.md', 'README.md'].map(textOf).join('\n')

const source = programFiles.map(textOf).join('\n')

/** The fixed parts of a quoted message: what is between `…` and the values that stand for others. */
const fixedParts = (message: string): string[] =>
  message
    .split(/…|\bN\b|'x'|\b\d+\b/)
    .map((part) => part.trim())
    .filter((part) => part.length >= 8)

describe('the guides', () => {
  it('name settings and variables that the code reads', () => {
    const named = new Set(guideText.match(/\bJETTY_[A-Z_]*[A-Z]\b(?![_…])/g))
    const known = `${source}\n${ourFiles
      .filter((path) => path.startsWith('test/'))
      .map(textOf)
      .join('\n')}`
    expect([...named].filter((name) => !known.includes(name))).toEqual([])
    expect(named.size).toBeGreaterThan(50)
  })

  it('explain messages that the server still writes', () => {
    const rows = textOf('docs/troubleshooting.md').match(/^\| .+? \|/gm) ?? []
    const quoted = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].flatMap(([, text = '']) => fixedParts(text)))
    expect(quoted.filter((part) => !source.includes(part))).toEqual([])
    expect(quoted.length).toBeGreaterThan(15)
  })
})
