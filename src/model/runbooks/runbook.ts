import { z } from 'zod'

export const modelProviders = ['anthropic', 'openrouter', 'openai', 'google', 'bedrock'] as const
export type ModelProvider = (typeof modelProviders)[number]

/** How long a runbook may be. */
export interface RunbookLimits {
  characters: number
  lines: number
}

/**
 * Published runbooks have at most 40,000 characters; 5,000 rows of tables are checked in 50 ms. An operator can set others
 * (`JETTY_RUNBOOK_CHARACTERS`, `JETTY_RUNBOOK_LINES`).
 */
export const usualRunbookLimits: RunbookLimits = { characters: 512 * 1024, lines: 5_000 }

/** Name of an environment variable. */
export const secretVariablePattern = /^[A-Z][A-Z0-9_]*$/

/** Memory size: `8G`, `512M`, or a number of bytes. */
const memoryPattern = /^\d+(\.\d+)?\s*([kmgt]i?b?)?$/i
export const memorySchema = z.union([
  z.string().regex(memoryPattern, 'Expected a size such as 8G or 512M, or a number of bytes'),
  z.number().positive(),
])

const secretEntrySchema = z.looseObject({
  env: z.string().nullish().describe('Environment variable that holds the secret. Default: the name of the secret.'),
  description: z.string().nullish(),
  required: z.boolean().default(true),
})
/** An entry of a list has no other name; a plain text is the variable's name. */
const listedSecretSchema = z.union([z.string(), secretEntrySchema.extend({ env: z.string() })])

const minuteSchema = z.number().positive().max(3600)
const repairRoundsSchema = z.int().min(0).max(20).default(0)

/** The check that decides instead of the agent's own report. */
const verifySchema = z.union([
  z.string().min(1),
  z.object({ command: z.string().min(1), timeout_sec: minuteSchema.optional(), repair_rounds: repairRoundsSchema }),
  z.object({
    judge: z.object({
      rubric: z.string().min(1),
      threshold: z.number().gt(1).max(5).describe('Lowest passing score, from 1 to 5.'),
      model: z.string().min(1),
    }),
    repair_rounds: repairRoundsSchema,
  }),
])

/** Front matter of a runbook; other keys are kept and ignored. */
export const runbookFrontMatterSchema = z.looseObject({
  version: z.union([z.string(), z.number()]).nullish().describe('Version of the runbook, such as 1.0.0.'),
  evaluation: z.string().nullish(),
  agent: z.string().nullish(),
  model: z.string().nullish(),
  model_provider: z.string().nullish(),
  snapshot: z.string().nullish(),
  image: z.string().nullish(),
  timeout_sec: minuteSchema.nullish().describe('Time limit in seconds of wall-clock time.'),
  cpus: z.number().positive().max(1024).nullish(),
  memory: memorySchema.nullish(),
  network_enabled: z.boolean().nullish(),
  secrets: z.union([z.record(z.string(), secretEntrySchema.nullable()), z.array(listedSecretSchema)]).nullish(),
  primary_outputs: z
    .union([z.string(), z.array(z.string())])
    .nullish()
    .describe('Path relative to the results folder.'),
  verify: verifySchema.nullish(),
  allowed_hosts: z.array(z.string()).nullish(),
  origin: z.looseObject({}).nullish(),
})
export type RunbookFrontMatter = z.output<typeof runbookFrontMatterSchema>

/** Known keys that are ignored. */
export const ignoredFrontMatterKeys = ['name', 'title', 'description', 'author', 'license', 'tags']

/**
 * How closely a runbook follows the format. `loose`: it can be executed. `strict`: it also has every part that tells
 * agent, reader and platform what is expected and how it is checked.
 */
export const conformanceLevels = ['loose', 'strict'] as const
export type ConformanceLevel = (typeof conformanceLevels)[number]

const runbookFindingSchema = z
  .object({
    line: z.int().describe('1-based.'),
    column: z.int().describe('1-based.'),
    rule: z.string().describe('Rule, such as `V2` or `R3`; docs/runbook-rules.md lists them.'),
    message: z.string(),
    fix: z.string().describe('What to write instead.'),
  })
  .meta({ id: 'RunbookFinding' })
export type RunbookFinding = z.output<typeof runbookFindingSchema>

const runbookParameterSchema = z
  .object({
    name: z.string().describe('Name in `{{name}}`, and in `template_variables`.'),
    description: z.string(),
    default: z.string().nullable().describe('Applies when no value is given; null without one.'),
    required: z.boolean().describe('Whether a run without a value is refused.'),
  })
  .meta({ id: 'RunbookParameter' })
export type RunbookParameter = z.output<typeof runbookParameterSchema>

/** Maximum parameters that a verdict lists. */
export const mostListedParameters = 200

export const runbookVerdictSchema = z
  .object({
    valid: z.boolean().describe('Whether the runbook has no errors.'),
    level: z
      .enum(conformanceLevels)
      .nullable()
      .describe('How closely the runbook follows the format; null if it is invalid.'),
    errors: z.array(runbookFindingSchema),
    warnings: z.array(runbookFindingSchema),
    parameters: z
      .array(runbookParameterSchema)
      .describe(
        `What a run fills in: the rows of the parameter table, then variables of the text that it lacks; at most ${mostListedParameters}.`,
      ),
  })
  .meta({ id: 'RunbookVerdict' })
export type RunbookVerdict = z.output<typeof runbookVerdictSchema>
