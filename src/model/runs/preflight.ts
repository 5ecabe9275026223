import { z } from 'zod'

/** Treatment of a run that cannot be served. */
export const preflightModeSchema = z
  .enum(['record', 'refuse'], 'Expected record or refuse')
  .optional()
  .describe(
    'What happens to a run that cannot be served, for example because no key serves its model. `record` (the default): ' +
      'the run is recorded and fails before its first step. `refuse`: the answer is a 422 and nothing is recorded.',
  )

/** The query of a call that starts runs. */
export const preflightQuery = z.object({ preflight: preflightModeSchema })

interface Asked {
  preflight?: 'record' | 'refuse' | undefined
}

/** Whether a call asks in its query or its body that runs which cannot be served are refused. */
export const refusesUnservable = (call: { query: Asked; body?: unknown }): boolean =>
  call.query.preflight === 'refuse' || (call.body as Asked | undefined)?.preflight === 'refuse'
