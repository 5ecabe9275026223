import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { AppError, type ErrorCode } from '../../../src/lib/errors.ts'
import type { Body } from '../../server.ts'

/** What steps have done in this process since the last `forget`: one entry an execution, by the name of the record. */
export const seen = { effects: [] as string[], mostAtWork: 0 }
/** Gates that steps need not wait at any more. */
export const open = new Set<string>()
let atWork = 0

export const forget = (): void => {
  seen.effects = []
  seen.mostAtWork = 0
  open.clear()
}

/**
 * Leaves its effect and gives back what it was given; as often as it is told to, it fails or hangs first. With `gate` it
 * waits until that is open.
 */
export const act = activity({
  name: 'act',
  category: 'control',
  description: 'For tests of control flow.',
  parameters: z.object({
    give: z.unknown().optional(),
    milliseconds: z.number().default(0),
    gate: z.string().optional(),
    fails: z.number().default(0),
    code: z.string().default('activity_failed'),
    hangs: z.number().default(0),
  }),
  outputs: z.object({ value: z.unknown() }),
  example: {},
  async run({ give, milliseconds, gate, fails, code, hangs }, { step, signal }) {
    seen.effects.push(step.name)
    atWork++
    seen.mostAtWork = Math.max(seen.mostAtWork, atWork)
    try {
      if (milliseconds > 0) await delay(milliseconds, undefined, { signal })
      while (gate !== undefined && !open.has(gate)) await delay(5, undefined, { signal })
      if (step.attempt <= hangs) await delay(60_000, undefined, { signal })
      if (step.attempt <= fails) throw new AppError(code as ErrorCode, `attempt ${step.attempt} failed`)
      return { value: give ?? step.turn }
    } finally {
      atWork--
    }
  },
})

export const does = (given: Record<string, unknown> = {}) => ({ activity: 'act', ...given })
type Arm = string | string[] | null
export const branch = (true_step: Arm, false_step: Arm, given: object = {}) => ({
  activity: 'conditional_branch',
  condition_path: 'init_params.go',
  true_step,
  false_step,
  ...given,
})
export const loop = (steps: string[], max_turns: number, given: object = {}) => ({
  activity: 'loop_counter',
  steps,
  max_turns,
  ...given,
})
export const statuses = (run: Body) =>
  Object.fromEntries(Object.values<Body>(run.steps).map((step) => [step.key, step.status]))
