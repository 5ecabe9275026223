import { expect, it } from 'vitest'
import { catalogue } from './catalogue.ts'

it('names every provider once, over https, with a key and a source', () => {
  const names = catalogue.flatMap(({ id, aliases }) => [id, ...aliases])
  expect(new Set(names).size).toBe(names.length)
  for (const one of catalogue) {
    expect([one.id, one.base_url]).toEqual([one.id, expect.stringMatching(/^https:\/\/[^/]+(\/.*[^/])?$/)])
    expect([one.id, one.source]).toEqual([one.id, expect.stringMatching(/^npm \S+ \d+\.\d+\.\d+|^https:\/\//)])
    expect(one.keys.length).toBeGreaterThan(0)
    for (const key of one.keys) expect(key).toMatch(/^[A-Z][A-Z0-9_]+$/)
  }
})
