import { z } from 'zod'
import { jsonObjectSchema, timestampSchema } from '../names.ts'

const parameterSchema = z.object({
  name: z.string(),
  type: z.string(),
  required: z.boolean(),
  default: z.unknown(),
  description: z.string(),
  accepts_path: z.boolean().describe('Whether `<name>_path` may replace it.'),
  aliases: z.array(z.string()),
  input: z
    .enum(['line', 'text', 'code', 'value', 'number', 'integer', 'boolean', 'choice', 'list', 'pairs', 'json'])
    .describe(
      'How a form asks for it. `text` has several lines, `value` is a text or JSON, `list` has a text a line, `pairs` are names with texts or JSON.',
    ),
  language: z
    .string()
    .nullable()
    .describe('For code: its language, such as `jsonata`, or the parameter that names it. `json-schema` for a schema.'),
  choices: z.array(z.unknown()).describe('For a choice: the values, otherwise none.'),
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
    structured_output: z
      .object({ path: z.string(), has_members: z.boolean().describe('Whether its members are outputs too.') })
      .nullable()
      .describe('The output that fits the parameter `output_schema`; null without such a parameter.'),
    example: jsonObjectSchema,
    gotchas: z.array(z.string()),
    module: z
      .string()
      .optional()
      .describe('File of JETTY_ACTIVITIES_DIR that declares it; absent if it comes with the server.'),
    offered_by: z
      .object({
        online: z.int().describe('Workers that take jobs of it now. With 0 a step waits for one.'),
        workers: z.array(z.string()).describe('Names of workers that offer it; of many, some.'),
        since: timestampSchema.describe('Since when a worker that is known offers it.'),
        seen_at: timestampSchema.describe('When one of them was seen last.'),
        version: z.string().nullable().describe('Version of the newest one.'),
      })
      .optional()
      .describe('Only of activities that workers carry out: who offers it to the collections of the caller.'),
  })
  .meta({ id: 'StepTemplate' })

export const stepTemplateListSchema = z
  .object({
    templates: z.array(stepTemplateSchema),
    categories: z.array(z.string()),
    total_count: z.int(),
    common_parameters: z
      .array(parameterSchema)
      .describe('What the config of every step may have beside the parameters of its activity.'),
  })
  .meta({ id: 'StepTemplateList' })

export type StepTemplate = z.infer<typeof stepTemplateSchema>
