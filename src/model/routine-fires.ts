import { z } from 'zod'
import { timestampSchema } from './names.ts'
import { runStatuses } from './workflows/workflow.ts'

const countSchema = (standard: number) => z.coerce.number().int().min(0).max(100).default(standard)

export const routineFiresQuery = z.object({
  next: countSchema(10).describe('How many of the next fires.'),
  past: countSchema(20).describe('How many of the past fires.'),
})

const pastFireSchema = z
  .object({
    time: timestampSchema,
    outcome: z
      .enum(['started', 'waiting', 'skipped', 'missed'])
      .describe('`waiting`: for the end of another run. `missed`: no server ran at that time.'),
    reason: z.string().nullable().describe('Why no run was started.'),
    trajectory_id: z.string().nullable().describe('The run that was started, unless it has been deleted.'),
    status: z.enum(runStatuses).nullable().describe('The status of that run now.'),
  })
  .meta({ id: 'PastFire' })

export const routineFiresSchema = z
  .object({
    paused: z.boolean(),
    next: z
      .array(z.object({ time: timestampSchema }))
      .describe('Soonest first; empty while the routine is paused, or has no times of its own.'),
    past: z.array(pastFireSchema).describe('Newest first, at most the last 500.'),
  })
  .meta({ id: 'RoutineFires' })

export type RoutineFires = z.output<typeof routineFiresSchema>
