/**
 * What a span says about tokens and cost. Conventions differ in names, and in whether the input contains the cached
 * tokens: OpenTelemetry and OpenInference say that it does, Claude Code and Langfuse count them apart.
 */
import { isObject, type JsonObject, parsedJson } from '../lib/json/json-object.ts'
import type { ModelUsage } from '../model/gateway/chat.ts'

const names = {
  input: [
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'llm.token_count.prompt',
    'ai.usage.inputTokens',
    'ai.usage.promptTokens',
    'ai.usage.tokens',
    'llm.usage.prompt_tokens',
  ],
  /** Input without what was read from a cache or written to one. */
  fresh: ['ai.usage.inputTokenDetails.noCacheTokens'],
  read: [
    'gen_ai.usage.cache_read.input_tokens',
    'gen_ai.usage.cache_read_input_tokens',
    'gen_ai.usage.cache_read_tokens',
    'gen_ai.usage.cached_input_tokens',
    'gen_ai.usage.input_cached_tokens',
    'gen_ai.usage.details.cache_read_tokens',
    'llm.token_count.prompt_details.cache_read',
    'llm.token_count.prompt_details.cache_input',
    'ai.usage.inputTokenDetails.cacheReadTokens',
    'ai.usage.cachedInputTokens',
    'llm.usage.cache_read_input_tokens',
    'cache_read_tokens',
  ],
  written: [
    'gen_ai.usage.cache_creation.input_tokens',
    'gen_ai.usage.cache_write.input_tokens',
    'gen_ai.usage.cache_creation_input_tokens',
    'gen_ai.usage.cache_write_input_tokens',
    'gen_ai.usage.cache_write_tokens',
    'gen_ai.usage.details.cache_write_tokens',
    'llm.token_count.prompt_details.cache_write',
    'ai.usage.inputTokenDetails.cacheWriteTokens',
    'llm.usage.cache_creation_input_tokens',
    'cache_creation_tokens',
  ],
  output: [
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.completion_tokens',
    'llm.token_count.completion',
    'ai.usage.outputTokens',
    'ai.usage.completionTokens',
    'llm.usage.completion_tokens',
  ],
  reasoning: [
    'gen_ai.usage.reasoning.output_tokens',
    'gen_ai.usage.reasoning_tokens',
    'gen_ai.usage.details.reasoning_tokens',
    'llm.token_count.completion_details.reasoning',
    'ai.usage.outputTokenDetails.reasoningTokens',
    'ai.usage.reasoningTokens',
    'codex.usage.reasoning_output_tokens',
  ],
  total: ['gen_ai.usage.total_tokens', 'llm.token_count.total', 'ai.usage.totalTokens', 'llm.usage.total_tokens'],
  cost: ['gen_ai.usage.cost', 'llm.cost.total', 'gen_ai.usage.total_cost', 'gen_ai.cost.total_cost'],
} as const

type Meaning = keyof typeof names

/** A larger number is no count of tokens; sums must stay numbers that the database holds. */
const mostTokens = 1e12

/** A number that is not negative. Some exporters send numbers as texts. */
const amount = (value: unknown): number | undefined => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && number >= 0 && number <= mostTokens ? number : undefined
}

const amountIn = (attributes: JsonObject, meaning: Meaning): number | undefined => {
  for (const name of names[meaning]) {
    const found = amount(attributes[name])
    if (found !== undefined) return found
  }
  return undefined
}

/** Tokens of a call as a convention counts them. */
interface Counted {
  input?: number | undefined
  fresh?: number | undefined
  read?: number | undefined
  written?: number | undefined
  output?: number | undefined
  reasoning?: number | undefined
  total?: number | undefined
}

/** Longer texts are no counts. */
const mostJson = 20_000

const objectIn = (value: unknown): JsonObject => {
  const read = typeof value === 'string' && value.length <= mostJson ? parsedJson(value) : value
  return isObject(read) ? read : {}
}

const sumOf = (counts: readonly (number | undefined)[]): number | undefined =>
  counts.reduce((sum, one) => (one === undefined ? sum : (sum ?? 0) + one), undefined)

const mostParts = 200

/** Langfuse's parts of a usage. They do not overlap, unless they have OpenAI's names or a total that says otherwise. */
const langfuseParts = (details: JsonObject): Counted => {
  const counts = Object.entries(details)
    .slice(0, mostParts)
    .flatMap(([name, value]) => {
      const count = amount(value)
      return count === undefined ? [] : [{ name, count }]
    })
  const of = (pattern: RegExp, not?: RegExp): number | undefined =>
    sumOf(counts.filter(({ name }) => pattern.test(name) && !not?.test(name)).map(({ count }) => count))
  const read = of(/cached|cache_?read|read_?cache/i)
  const written = of(/cache_?(creation|write)/i)
  const reasoning = of(/reasoning/i)
  const total = of(/^total(_tokens)?$/)
  const input = of(/^(input|prompt)/, /cache/i)
  const output = of(/^(output|completion)/, /reasoning/i)
  if (details.prompt_tokens !== undefined) return { input, read, written, output, reasoning, total }
  const isWithin = total !== undefined && total === (input ?? 0) + (output ?? 0)
  if (isWithin) return { input, read, written, output, reasoning, total }
  return { fresh: input, read, written, output: sumOf([output, reasoning]), reasoning, total }
}

/** What Anthropic counted, which the AI SDK hands on. */
const anthropicParts = (metadata: JsonObject): Counted => {
  const anthropic = objectIn(metadata.anthropic)
  const usage = objectIn(anthropic.usage)
  return {
    fresh: amount(usage.input_tokens),
    read: amount(usage.cache_read_input_tokens) ?? amount(anthropic.cacheReadInputTokens),
    written: amount(usage.cache_creation_input_tokens) ?? amount(anthropic.cacheCreationInputTokens),
  }
}

const countedIn = (attributes: JsonObject): Counted => {
  const langfuse = langfuseParts(objectIn(attributes['langfuse.observation.usage_details']))
  if (Object.values(langfuse).some((count) => count !== undefined)) return langfuse
  const inputDetails = objectIn(attributes['gen_ai.usage.input_token_details'])
  const outputDetails = objectIn(attributes['gen_ai.usage.output_token_details'])
  const anthropic = anthropicParts(objectIn(attributes['ai.response.providerMetadata']))
  const isClaudeCode = attributes['span.type'] === 'llm_request'
  const of = (meaning: Meaning) => amountIn(attributes, meaning)
  return {
    input: of('input'),
    fresh: of('fresh') ?? anthropic.fresh ?? (isClaudeCode ? amount(attributes.input_tokens) : undefined),
    read: of('read') ?? anthropic.read ?? amount(inputDetails.cache_read),
    written: of('written') ?? anthropic.written ?? amount(inputDetails.cache_creation),
    output: of('output') ?? (isClaudeCode ? amount(attributes.output_tokens) : undefined),
    reasoning: of('reasoning') ?? amount(outputDetails.reasoning),
    total: of('total'),
  }
}

/**
 * A sum with its parts, which some senders count beside it: then they are larger than it, or the total says so.
 * `rests` are the counts that the other side of the call may have.
 */
const withParts = (sum: number, parts: number, rests: readonly number[], total: number | undefined): number =>
  parts > sum || (parts > 0 && rests.some((rest) => total === sum + parts + rest)) ? sum + parts : sum

/** The tokens of a model call, each once: cached ones are part of the prompt. Undefined for a span that counts none. */
export const tokensOf = (attributes: JsonObject): ModelUsage | undefined => {
  const { input, fresh, read, written, output, reasoning, total } = countedIn(attributes)
  if (input === undefined && fresh === undefined && output === undefined) return undefined
  const cached = (read ?? 0) + (written ?? 0)
  const outputs = [output ?? 0, (output ?? 0) + (reasoning ?? 0)]
  const prompt = Math.round(
    fresh === undefined ? withParts(input ?? 0, cached, outputs, total) : Math.max(fresh + cached, input ?? 0),
  )
  const completion = Math.round(withParts(output ?? 0, reasoning ?? 0, [prompt], total))
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(read === undefined ? {} : { cached_tokens: Math.round(read) }),
    ...(written ? { cache_write_tokens: Math.round(written) } : {}),
    ...(reasoning === undefined ? {} : { reasoning_tokens: Math.round(reasoning) }),
  }
}

/** US dollars of a model call as its sender states them. A zero states nothing: it is sent for models without a price. */
export const statedCostOf = (attributes: JsonObject): number | undefined => {
  const details = objectIn(attributes['langfuse.observation.cost_details'])
  const metadata = objectIn(attributes['ai.response.providerMetadata'])
  const stated =
    amount(details.total) ??
    sumOf(Object.values(details).slice(0, mostParts).map(amount)) ??
    amountIn(attributes, 'cost') ??
    sumOf(['llm.cost.prompt', 'llm.cost.completion'].map((name) => amount(attributes[name]))) ??
    amount(objectIn(objectIn(metadata.openrouter).usage).cost) ??
    amount(objectIn(metadata.gateway).cost)
  return stated === 0 ? undefined : stated
}

/** Whether a span counts tokens, in any convention. */
export const countsTokens = (attributes: JsonObject): boolean =>
  amountIn(attributes, 'input') !== undefined || amountIn(attributes, 'output') !== undefined
