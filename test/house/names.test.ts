import { describe, expect, it } from 'vitest'
import { ourFiles, programFiles, textOf, webFiles } from './source-files.ts'

const exported = /^export (?:async function|const|function|interface|type|class|enum) (\w+)/gm

const namesIn = (text: string): string[] => [...text.matchAll(exported)].map(([, name]) => name ?? '')

/** The files that export each name. Two overloads, or a type and a value of one name, have one owner: their file. */
const ownersOf = (files: readonly [path: string, text: string][]): Map<string, Set<string>> => {
  const owners = new Map<string, Set<string>>()
  for (const [path, text] of files) {
    for (const name of namesIn(text)) owners.set(name, (owners.get(name) ?? new Set()).add(path))
  }
  return owners
}

const sharedNames = (files: readonly [path: string, text: string][]): string[] =>
  [...ownersOf(files)].filter(([, owners]) => owners.size > 1).map(([name]) => name)

const owners = ownersOf([...programFiles, ...webFiles].map((path) => [path, textOf(path)]))

/** The files in which each word stands, whatever it means there. */
const filesWith = (): Map<string, Set<string>> => {
  const found = new Map<string, Set<string>>()
  for (const path of ourFiles.filter((path) => /\.(?:tsx?|mjs)$/.test(path))) {
    for (const word of new Set(textOf(path).match(/[\w$]+/g))) found.set(word, (found.get(word) ?? new Set()).add(path))
  }
  return found
}

/** What others import from the package is not used here. */
const isOfThePackage = (path: string) =>
  path.startsWith('src/client/') || path === 'src/activities/own/declare.ts' || path === 'src/worker/worker.ts'

describe('exported names', () => {
  it('are found at all', () => {
    expect(owners.size).toBeGreaterThan(1000)
  })

  it('have one owner each, so that a name means one thing', () => {
    const shared = [...owners].filter(([, files]) => files.size > 1)
    expect(shared.map(([name, files]) => `${name}: ${[...files].join(', ')}`)).toEqual([])
  })

  it('are used by another file than their own', () => {
    const words = filesWith()
    const unused = [...owners].filter(([name, [path = '']]) => words.get(name)?.size === 1 && !isOfThePackage(path))
    expect(unused.map(([name, [path]]) => `${path}: do not export ${name}`)).toEqual([])
  })

  it.each([
    ['one name in two files', ['export const route = 1', 'export interface route {}'], ['route']],
    ['a type and a value in one file', ['export const a = 1\nexport type a = 2', 'const a = 1'], []],
    ['re-exports and names that are not exported', ["export { b } from './b.ts'", 'export const b = 1'], []],
  ])('%s', (_, texts, shared) => {
    expect(sharedNames(texts.map((text, at) => [`${at}.ts`, text]))).toEqual(shared)
  })
})
