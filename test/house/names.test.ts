import { describe, expect, it } from 'vitest'
import { ourFiles, programFiles, textOf, webFiles } from './source-files.ts'

const exported = /^export (?:async function|const|function|interface|type|class|enum) (\w+)/gm

/** The files that export each name. */
const owners = new Map<string, Set<string>>()
for (const path of [...programFiles, ...webFiles]) {
  for (const [, name = ''] of textOf(path).matchAll(exported))
    owners.set(name, (owners.get(name) ?? new Set()).add(path))
}

/** How many files each word occurs in, whatever it means there. */
const filesWithWord = (): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const path of ourFiles.filter((path) => /\.(?:tsx?|mjs)$/.test(path))) {
    for (const word of new Set(textOf(path).match(/[\w$]+/g))) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return counts
}

/** The entry points of the npm package: their exports are for its users. */
const isOfThePackage = (path: string) =>
  path.startsWith('src/client/') || path === 'src/activities/own/declare.ts' || path === 'src/client/worker/worker.ts'

describe('exported names', () => {
  it('are found at all', () => {
    expect(owners.size).toBeGreaterThan(1000)
  })

  it('are used by another file than their own', () => {
    const counts = filesWithWord()
    const unused = [...owners].filter(
      ([name, files]) => counts.get(name) === files.size && ![...files].some(isOfThePackage),
    )
    expect(unused.map(([name, files]) => `${[...files].join(', ')}: do not export ${name}`)).toEqual([])
  })
})
