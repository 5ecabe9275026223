import type { AppError } from '../../lib/errors.ts'
import { type FallbackOptions, mayFallBack, withFallback } from '../../providers/fallback.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'

type Refused = Extract<UpstreamAnswer, { kind: 'refused' }>

/**
 * Asks the named model, and its fallback models if it cannot answer. Nothing has been shown to the client by then. Returns
 * the last refusal as it came; throws the failure of the last model asked.
 */
export const askWithFallbacks = async (
  models: readonly [string, ...string[]],
  ask: (model: string, place: number) => Promise<UpstreamAnswer>,
  options: FallbackOptions,
): Promise<UpstreamAnswer> => {
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
