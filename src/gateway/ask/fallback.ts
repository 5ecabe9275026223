import type { AppError } from '../../lib/errors.ts'
import { type FallbackOptions, mayFallBack, withFallback } from '../../providers/fallback.ts'
import type { Given } from './ask-native.ts'

type Refused = Extract<Given, { kind: 'refused' }>

/**
 * Asks the model that was meant, and where it cannot answer those that stand in for it. Nothing of an answer was shown to
 * the client by then. The last refusal is given as it came; a failure of the last one asked is thrown.
 */
export const askInTurn = async (
  models: readonly [string, ...string[]],
  ask: (model: string, place: number) => Promise<Given>,
  options: FallbackOptions,
): Promise<Given> => {
  const refusals = new Map<AppError, Refused>()
  try {
    return await withFallback(
      models,
      async (model, place) => {
        const given = await ask(model, place)
        if (given.kind !== 'refused' || !mayFallBack(given.error)) return given
        refusals.set(given.error, given)
        throw given.error
      },
      options,
    )
  } catch (error) {
    const refused = refusals.get(error as AppError)
    if (refused) return refused
    throw error
  }
}
