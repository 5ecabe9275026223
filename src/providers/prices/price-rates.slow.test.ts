import { calcPrice, findProvider } from '@pydantic/genai-prices'
import { expect, it } from 'vitest'
import { catalogue } from '../catalogue.ts'
import { type PricedTokens, priceAt, ratesOf } from './prices.ts'

const samples: PricedTokens[] = [
  { input_tokens: 1, output_tokens: 0 },
  { input_tokens: 1_000, output_tokens: 37 },
  { input_tokens: 190_000, output_tokens: 12_345, cache_read_tokens: 150_000 },
  { input_tokens: 900_000, output_tokens: 1, cache_read_tokens: 10, cache_write_tokens: 800_000 },
]

it('what models cost at their rates is what the price list says, for every model that has rates', () => {
  const lists = new Set(catalogue.flatMap(({ prices }) => prices ?? []))
  let compared = 0
  for (const list of lists) {
    for (const { id } of findProvider({ providerId: list })?.models ?? []) {
      const listed = (tokens: PricedTokens) => {
        try {
          return calcPrice({ ...tokens }, id, { providerId: list })?.total_price
        } catch {
          return undefined
        }
      }
      const rates = ratesOf(listed)
      if (!rates) continue
      for (const tokens of samples) {
        const expected = listed(tokens)
        if (expected === undefined) continue
        expect(priceAt(rates, tokens), `${list} ${id}`).toBeCloseTo(expected, 9)
        compared++
      }
    }
  }
  expect(compared).toBeGreaterThan(1_000)
})

it('a price that depends on how much is asked has no rates', () => {
  expect(ratesOf(({ input_tokens: input }) => (input > 200_000 ? input * 2 : input))).toBeNull()
  expect(ratesOf(() => undefined)).toBeNull()
})
