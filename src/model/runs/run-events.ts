import { z } from 'zod'
import { liveJobSchema, stepLogSchema, stepProgressSchema, stepSchema, stepSummarySchema } from './step.ts'
import { runSummarySchema, trajectorySchema } from './trajectory.ts'

/** A message about a run, its step or its agent. */
export const logEventSchema = stepLogSchema
  .extend({ step: z.string().nullable(), activity: z.string().nullable() })
  .meta({ id: 'LogEvent' })
export type LogEvent = z.infer<typeof logEventSchema>

const status = trajectorySchema.pick({ trajectory_id: true, status: true, waiting: true, error: true })

/** Data of the server-sent events of one run, by the name of the event. */
export const runEventSchemas = {
  snapshot: trajectorySchema,
  step: stepSchema,
  status,
  log: logEventSchema,
  label: trajectorySchema.pick({ trajectory_id: true, labels: true }),
  progress: stepProgressSchema.extend({ step: z.string() }),
  job: liveJobSchema.extend({ step: z.string() }),
  end: status,
} as const

/** Data of the same events with `view=summary`. */
export const summaryEventSchemas = { ...runEventSchemas, snapshot: runSummarySchema, step: stepSummarySchema } as const

export type EventData = { [Name in keyof typeof runEventSchemas]: z.infer<(typeof runEventSchemas)[Name]> }
export type RunEvent = { [Name in keyof EventData]: { event: Name; data: EventData[Name] } }[keyof EventData]

type SummaryEventData = {
  [Name in keyof typeof summaryEventSchemas]: z.infer<(typeof summaryEventSchemas)[Name]>
}
export type RunSummaryEvent = {
  [Name in keyof SummaryEventData]: { event: Name; data: SummaryEventData[Name] }
}[keyof SummaryEventData]
