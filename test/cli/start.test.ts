// How a command starts: what it loads, and what it keeps for the next one.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { builtProgram } from '../shared.ts'
import { openShell, type Shell } from './shell.ts'

let shell: Shell
beforeAll(() => {
  shell = openShell('http://127.0.0.1:9', 'none', true)
})
afterAll(() => shell?.close())

/** The text of each file of the program that is loaded before a command is known. */
const textsAtStart = (folder: string): Set<string> => {
  const texts = new Map<string, string>()
  const load = (name: string) => {
    if (texts.has(name)) return
    const text = readFileSync(join(folder, name), 'utf8')
    texts.set(name, text)
    for (const [, needed = ''] of text.matchAll(/^const \w+ = require\("\.\/([^"]+)"\)/gm)) load(needed)
  }
  load(readdirSync(folder).find((file) => /^bin-[\w-]{8}\.cjs$/.test(file)) ?? '')
  return new Set(texts.values())
}

describe('a command', () => {
  it('starts without loading a schema, which would take longer than all the rest', async () => {
    const texts = [...textsAtStart(join(dirname(await builtProgram()), 'program'))].join()
    expect(texts).toContain('node_modules/commander/')
    expect(texts.includes('node_modules/zod/')).toBe(false)
  })

  it('keeps the compiled program, and compiles it anew where that is broken', async () => {
    const version = async () => (await shell.jetty(['--version'])).code
    expect(await version()).toBe(0)
    const folder = join(dirname(await builtProgram()), 'program', `compiled-${process.versions.v8}-${process.arch}`)
    const name = readdirSync(folder).find((file) => /^bin-[\w-]{8}\.cjs$/.test(file)) ?? ''
    const path = join(folder, name)
    const { size } = statSync(path)
    writeFileSync(path, 'broken')
    expect(await version()).toBe(0)
    expect(statSync(path).size).toBeGreaterThan(size / 2)
  })
})
