// Whether each promise of the contract that can be kept here has a test that is named for it, and asks for it.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { notAsked, promisedCalls, wordsOf } from './promise.ts'

const folder = new URL('.', import.meta.url)
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.test.ts') && name !== 'covered.test.ts')
  .map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }))
const titles = sources.flatMap(({ text }) =>
  [...text.matchAll(/^\s*test\(\s*(['"`])(.+?)\1/gms)].map((found) => found[2] ?? ''),
)
const words = new Set(titles.flatMap(wordsOf))

/** `3-5 8` as the numbers that it means. */
const numbersOf = (ranges: string): number[] =>
  ranges.split(' ').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, at) => from + at)
  })

test('titles are found at all', () => {
  expect(titles.length).toBeGreaterThan(80)
  expect(['jetty_run', 'no_such_name'].filter((name) => !words.has(name))).toEqual(['no_such_name'])
})

test('every row of the skill page has a test that begins with it', () => {
  const promised = numbersOf('3-76 78-80')
  const rows = titles.flatMap((title) => /^row (\d+): ./.exec(title)?.[1] ?? []).map(Number)
  expect([...new Set(rows)].sort((left, right) => left - right)).toEqual(promised)
})

test.each(Object.entries(promisedCalls))('every call of %s has a test', (_, names) => {
  expect(Object.keys(names).filter((name) => !words.has(name))).toEqual([])
})

test.each(sources)('$name counts what its tests ask of the server', ({ text }) => {
  expect(text).toMatch(/^import \{ test \} from '\.\/promise\.ts'$/m)
})

test('the page of compatibility lists every promise: `npm run compat` writes it', () => {
  const page = readFileSync(new URL('../../docs/reference/compatibility.md', import.meta.url), 'utf8')
  const listed = titles.filter((title) => !title.includes('${'))
  expect(listed.filter((title) => !page.includes(title.replaceAll('|', '\\|').replace(/\\(['"`])/g, '$1')))).toEqual([])
})

describe('a test', () => {
  test('that asks for nothing keeps no promise', () => {
    expect(notAsked('row 30: the list is an object', new Set())).toEqual(['any operation'])
    expect(notAsked('jetty_run', new Set())).toEqual(['any operation', 'jetty_run: runTask'])
  })

  test('that asks for something else does not keep what its title names', () => {
    expect(notAsked('getTask and listTasks', new Set(['getTask']))).toEqual(['listTasks: listTasks'])
    expect(notAsked('getTask and listTasks', new Set(['getTask', 'listTasks']))).toEqual([])
  })
})
