import { z } from 'zod'

const of = <Value extends z.ZodType>(value: Value) => z.object({ left: value, right: value })

/** Two values that are not the same. */
const valueDifferenceSchema = z
  .object({
    left: z.unknown().describe('The value; if `clipped`, the first characters of its JSON text.'),
    right: z.unknown(),
    paths: z.array(z.string()).describe('Paths that differ; empty if `clipped`.'),
    more_paths: z.boolean(),
    clipped: z.boolean().describe('Whether the value is too large to be shown whole.'),
  })
  .meta({ id: 'ValueDifference' })
export type ValueDifference = z.infer<typeof valueDifferenceSchema>

const common = {
  status: of(z.string().nullable()).optional(),
  error: of(z.string().nullable()).optional(),
  duration: of(z.number().nullable()).optional().describe('Duration in seconds.'),
  cost: of(z.number().nullable()).optional().describe('Cost in US dollars; null if unknown.'),
}

const stepDifferenceSchema = z
  .object({
    step: z.string(),
    in: z.enum(['both', 'left', 'right']),
    same: z.boolean().describe('Whether nothing but duration and cost differs.'),
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

/** The differences of two runs. Equal parts are missing. */
export const runDifferenceSchema = z
  .object({
    left: sideSchema,
    right: sideSchema,
    same: z.boolean().describe('Whether nothing but duration and cost differs.'),
    run: z.object({
      ...common,
      definition: of(z.string()).optional().describe('Hashes of the two workflows.'),
      init_params: valueDifferenceSchema.optional(),
    }),
    steps: z.array(stepDifferenceSchema).describe('Steps in order; if there are too many, only those that differ.'),
    total_steps: z.int().describe('Number of step names in either run.'),
    different_steps: z.int(),
  })
  .meta({ id: 'RunDifference' })
export type RunDifference = z.infer<typeof runDifferenceSchema>
export type CommonDifference = Pick<StepDifference, keyof typeof common>
