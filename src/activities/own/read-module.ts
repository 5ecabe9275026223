import { z } from 'zod'
import { messageOf } from '../../lib/errors.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import { effects } from '../../model/workflows/effects.ts'
import { type OwnActivity, ownCategories } from './own-activity.ts'

/** Keys of a step config that the engine reads itself. */
const engineKeys = ['activity', 'depends_on', 'options', 'timeout_sec', 'runs_on', 'extra', '__proto__']

const isZodObject = (value: unknown): value is z.ZodObject => {
  if (typeof value !== 'object' || value === null || !('_zod' in value)) return false
  const schema = value as z.ZodObject
  return schema.def?.type === 'object' && typeof schema.safeParse === 'function' && typeof schema.meta === 'function'
}

const objectSchema = z
  .custom<z.ZodObject>(isZodObject, 'expected z.object({…}) of zod 4')
  .superRefine((schema, report) => {
    for (const [name, field] of Object.entries(schema.shape)) {
      const refuse = (message: string) => report.addIssue({ code: 'custom', path: [name], message })
      if (!/^[A-Za-z_]\w*$/.test(name)) refuse('expected a name of letters, digits and _')
      else if (engineKeys.includes(name)) refuse('the engine reads this key of a step itself; choose another name')
      else if (!(field as z.ZodType).description) refuse("expected .describe('…'), which the catalogue shows")
    }
  })

const names = z.array(z.string(), 'expected a list of names of parameters').default([])

/** What a module may export as an activity. */
const ownActivitySchema = z.strictObject({
  name: z
    .string()
    .max(128)
    .regex(
      /^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$/,
      'expected lower-case letters, digits, _ and dots, such as text.count_words',
    ),
  category: z.enum(ownCategories).default('own'),
  description: z.string().regex(/\S/, 'expected a sentence'),
  parameters: objectSchema,
  outputs: objectSchema,
  example: z.record(z.string(), z.unknown()).optional(),
  gotchas: z.array(z.string()).default([]),
  nested: names,
  literal: names,
  secret: names,
  pure: z.boolean().default(false),
  effects: z.enum(effects).default('writes'),
  timeoutSeconds: z.number().positive().optional(),
  idempotent: z.boolean().default(true),
  run: z.custom<OwnActivity['run']>((value) => typeof value === 'function', 'expected a function'),
})

/** Faults that only several fields together show. */
const faultsBetween = ({ name, example, parameters, ...lists }: z.output<typeof ownActivitySchema>): string[] => {
  const unknown = (['nested', 'literal', 'secret'] as const).flatMap((list) =>
    lists[list]
      .filter((one) => !Object.hasOwn(parameters.shape, one))
      .map((one) => `${list}: there is no parameter '${one}'`),
  )
  const other = example && example.activity !== name ? [`example.activity: expected '${name}'`] : []
  try {
    z.toJSONSchema(parameters, { io: 'input', unrepresentable: 'any' })
    z.toJSONSchema(lists.outputs, { io: 'output', unrepresentable: 'any' })
    return [...unknown, ...other]
  } catch (error) {
    return [...unknown, ...other, `cannot be written as JSON Schema: ${messageOf(error)}`]
  }
}

/** Whether an export is meant to be an activity: shared constants and functions may stand beside it. */
const isMeant = (value: unknown): value is object => typeof value === 'object' && value !== null && 'run' in value

/** Reads the activities that a module exports. Problems name the export, the field and what was expected. */
export const readActivityModule = (
  exports: Readonly<Record<string, unknown>>,
): { activities: OwnActivity[]; problems: string[] } => {
  const meant = Object.entries(exports).filter(([, value]) => isMeant(value))
  if (meant.length === 0) {
    return { activities: [], problems: ['exports no activity; expected: export default activity({ … })'] }
  }
  const activities = new Map<string, OwnActivity>()
  const problems: string[] = []
  for (const [key, value] of meant) {
    const parsed = ownActivitySchema.safeParse(value)
    if (parsed.error) {
      problems.push(
        ...parsed.error.issues.map((issue) => `${[key, ...issue.path].map(String).join('.')}: ${issueText(issue)}`),
      )
      continue
    }
    const found = parsed.data
    problems.push(...faultsBetween(found).map((fault) => `${key}.${fault}`))
    const { example = { activity: found.name }, timeoutSeconds } = found
    activities.set(found.name, { ...found, example, timeoutSeconds })
  }
  return { activities: [...activities.values()], problems }
}
