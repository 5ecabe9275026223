import { allOf, firstOf } from '../../data/search-text.ts'

/** At most so many models answer the same question. */
export const mostModels = 2

/** What the address of the playground says. */
export interface PlaygroundSearch {
  collection?: string
  model?: string[]
  /** `collection/task/run/step`: opens what a step asked a model. */
  from?: string
}

/** Reads the address of the playground. */
export const playgroundSearch = (search: Record<string, unknown>): PlaygroundSearch => {
  const [collection, from] = [firstOf(search.collection), firstOf(search.from)]
  const model = allOf(search.model).slice(0, mostModels)
  return {
    ...(collection === undefined ? {} : { collection }),
    ...(model.length === 0 ? {} : { model }),
    ...(from === undefined ? {} : { from }),
  }
}
