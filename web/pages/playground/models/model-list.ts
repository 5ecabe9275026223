import type { RoutableModelEntry } from '../../../../src/model/gateway/routable-model.ts'
import { countText } from '../../../text/numbers.ts'

/** At most so many are shown: nobody reads more, and a provider may have thousands. */
export const mostShown = 100

/** Whether a model answers chats, as far as its name tells. */
const chats = ({ calls }: RoutableModelEntry): boolean => calls === undefined || calls.includes('chat')

/** The models for chats that have each of some words in their name or provider. */
export const modelsWith = (models: readonly RoutableModelEntry[], typed: string): RoutableModelEntry[] => {
  const words = typed.toLowerCase().split(/\s+/)
  return models.filter(chats).filter(({ id, owned_by: owner }) => {
    const text = `${id} ${owner}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

/** The model to begin with: a real one where there is one. */
export const firstModel = (models: readonly RoutableModelEntry[]): string | undefined => {
  const usable = models.filter(chats)
  return (usable.find(({ id }) => !id.startsWith('scripted/')) ?? usable[0])?.id
}

/** Dollars per million tokens, as short as they can be: `$0.15`, `$2.5`, `$15`. */
const priceText = (usd: number): string => `$${Number(usd.toPrecision(3))}`

/** What a model takes and costs: `128k · $0.15 in · $0.6 out`. */
export const modelFacts = ({ context_tokens: context, usd_per_million: price }: RoutableModelEntry): string =>
  [
    context ? `${countText(context)} context` : undefined,
    price ? `${priceText(price.input)} in, ${priceText(price.output)} out per 1M` : undefined,
  ]
    .filter((fact) => fact !== undefined)
    .join(' · ')
