/** Tokens as the price list counts them: cached tokens are part of the input. */
export interface PricedTokens {
  input_tokens: number
  output_tokens: number
  cache_read_tokens?: number
  cache_write_tokens?: number
}

/** US dollars a token, for a model whose price is proportional to its tokens. */
export interface Rates {
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
}

const few = 1_000
const many = 4_000_000

const isSame = (left: number, right: number): boolean => Math.abs(left - right) <= 1e-9 * Math.abs(right)

/** Derives the rates of a model from its prices of few and of many tokens; null if they are not proportional. */
export const ratesOf = (price: (tokens: PricedTokens) => number | undefined): Rates | null => {
  const rateAt = (tokens: number): Rates | undefined => {
    const input = price({ input_tokens: tokens, output_tokens: 0 })
    const read = price({ input_tokens: tokens, output_tokens: 0, cache_read_tokens: tokens })
    const written = price({ input_tokens: tokens, output_tokens: 0, cache_write_tokens: tokens })
    const both = price({ input_tokens: tokens, output_tokens: tokens })
    if (input === undefined || read === undefined || written === undefined || both === undefined) return undefined
    return {
      input: input / tokens,
      output: (both - input) / tokens,
      cacheRead: read / tokens,
      cacheWrite: written / tokens,
    }
  }
  const low = rateAt(few)
  const high = rateAt(many)
  if (!low || !high) return null
  const names = ['input', 'output', 'cacheRead', 'cacheWrite'] as const
  return names.every((name) => isSame(low[name], high[name])) ? low : null
}

/** The price of tokens at such rates; undefined for counts that contradict each other. */
export const priceAt = (rates: Rates, tokens: PricedTokens): number | undefined => {
  const {
    input_tokens: input,
    output_tokens: output,
    cache_read_tokens: read = 0,
    cache_write_tokens: written = 0,
  } = tokens
  const fresh = input - read - written
  if (fresh < 0) return undefined
  return fresh * rates.input + read * rates.cacheRead + written * rates.cacheWrite + output * rates.output
}
