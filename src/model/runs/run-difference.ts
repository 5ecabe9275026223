import { z } from 'zod'

const of = <Value extends z.ZodType>(value: Value) => z.object({ left: value, right: value })

/** Two values that are not the same. */
const valueDifferenceSchema = z
  .object({
    left: z.unknown().describe('The value, or where `clipped` the first characters of its JSON text.'),
    right: z.unknown(),
    paths: z.array(z.string()).describe('Where they differ; empty where `clipped`.'),
    more_paths: z.boolean(),
    clipped: z.boolean().describe('Too large to be shown whole.'),
  })
  .meta({ id: 'ValueDifference' })
export type ValueDifference = z.infer<typeof valueDifferenceSchema>

const common = {
  status: of(z.string().nullable()).optional(),
  error: of(z.string().nullable()).optional(),
  duration: of(z.number().nullable()).optional().describe('Seconds.'),
  cost: of(z.number().nullable()).optional().describe('US dollars; null: not known.'),
}

const stepDifferenceSchema = z
  .object({
    step: z.string(),
    in: z.enum(['both', 'left', 'right']),
    same: z.boolean().describe('Nothing differs but how long it took and what it cost.'),
    ...common,
    inputs: valueDifferenceSchema.optional(),
    outputs: valueDifferenceSchema.optional(),
    config: valueDifferenceSchema.optional(),
  })
  .meta({ id: 'StepDifference' })
export type StepDifference = z.infer<typeof stepDifferenceSchema>

const sideSchema = z.object({
  trajectory_id: z.string(),
  task: z.string(),
  workflow_id: z.string(),
  url: z.string(),
})

/** What is not the same in two runs; each part stands there only where it differs. */
export const runDifferenceSchema = z
  .object({
    left: sideSchema,
    right: sideSchema,
    same: z.boolean().describe('Nothing differs but how long they took and what they cost.'),
    run: z.object({
      ...common,
      definition: of(z.string()).optional().describe('Hashes of the workflows.'),
      init_params: valueDifferenceSchema.optional(),
    }),
    steps: z.array(stepDifferenceSchema).describe('In order; where there are too many, those that differ.'),
    total_steps: z.int().describe('Names of steps in either of them.'),
    different_steps: z.int(),
  })
  .meta({ id: 'RunDifference' })
export type RunDifference = z.infer<typeof runDifferenceSchema>
export type CommonDifference = Pick<StepDifference, keyof typeof common>
