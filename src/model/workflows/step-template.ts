import { z } from 'zod'
import { jsonObjectSchema } from '../names.ts'

const parameterSchema = z.object({
  name: z.string(),
  type: z.string(),
  required: z.boolean(),
  default: z.unknown(),
  description: z.string(),
  accepts_path: z.boolean().describe('Whether `<name>_path` may replace it.'),
  aliases: z.array(z.string()),
})

/** Description of an activity for people and editors, from the same data as its validation. */
export const stepTemplateSchema = z
  .object({
    activity_name: z.string(),
    name: z.string(),
    description: z.string(),
    category: z.string(),
    parameters: z.array(parameterSchema),
    outputs: z.array(
      z.object({
        path: z.string(),
        type: z.string(),
        description: z.string(),
        optional: z.literal(true).optional().describe('A step may leave it out.'),
      }),
    ),
    example: jsonObjectSchema,
    gotchas: z.array(z.string()),
    module: z
      .string()
      .optional()
      .describe('File of JETTY_ACTIVITIES_DIR that declares it; absent if it comes with the server.'),
  })
  .meta({ id: 'StepTemplate' })

export const stepTemplateListSchema = z
  .object({ templates: z.array(stepTemplateSchema), categories: z.array(z.string()), total_count: z.int() })
  .meta({ id: 'StepTemplateList' })

export type StepTemplate = z.infer<typeof stepTemplateSchema>
