import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import { parsedMemory, textMemory } from '../../lib/memory/json-memory.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { resultFileSchema } from '../../model/runbooks/runbook-run.ts'
import { languageNames, packageFault, type ScriptOutcome } from '../../model/scripts/script-run.ts'
import type { ParameterFault } from '../../model/workflows/step-parameters.ts'
import { type ActivityContext, activity, FailedWith, type Json } from '../activity.ts'

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/, 'expected names such as API_TOKEN')
const host = z
  .string()
  .max(300)
  .regex(
    /^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:[\]-]*[A-Za-z0-9\]])?$/,
    'expected hosts such as api.example.com or *.example.com',
  )

const scriptParameters = z.object({
  language: z
    .enum(Object.keys(languageNames) as [keyof typeof languageNames])
    .describe('python, javascript or shell.')
    .meta({ aliases: ['lang', 'runtime'] }),
  code: z
    .string()
    .min(1)
    .max(500_000)
    .optional()
    .describe('The script. It is used as written: no {{ path }} in it.')
    .meta({ aliases: ['source', 'content', 'script', 'jsCode', 'pythonCode'], input: 'code', language: 'language' }),
  file: z
    .string()
    .optional()
    .describe('Storage path of a file with the script, in the place of code.')
    .meta({ aliases: ['script_file', 'code_file'] }),
  inputs: z
    .unknown()
    .optional()
    .describe('What the script reads: an object of values and paths such as {"orders_path": "read.outputs.value"}.')
    .meta({ aliases: ['input', 'args', 'arguments', 'data', 'params'] }),
  files: z
    .array(z.string())
    .max(1_000)
    .default([])
    .describe('Storage paths of files that the script reads; each has a copy in the folder uploads.')
    .meta({ aliases: ['input_files', 'file_paths'] }),
  env: z
    .array(variable)
    .max(100)
    .default([])
    .describe('Variables of the environment that the script sees, such as ["API_TOKEN"]; no others.')
    .meta({ aliases: ['secrets', 'environment', 'env_vars'] }),
  network: z
    .array(host)
    .max(100)
    .default([])
    .describe('Hosts that the script may reach over HTTP and HTTPS, such as ["api.example.com"]; none: no network.')
    .meta({ aliases: ['allowed_hosts', 'hosts', 'allow_hosts'] }),
  packages: z
    .array(z.string().max(300))
    .max(100)
    .default([])
    .describe('Exact versions of packages: ["lodash@4.17.21"] of npm, ["requests==2.32.3"] of PyPI.')
    .meta({ aliases: ['requirements', 'dependencies', 'libraries'] }),
  output_schema: schemaParameter
    .optional()
    .describe('JSON Schema that the result has to fit; otherwise the step fails.')
    .meta({ aliases: ['outputSchema', 'json_schema', 'result_schema'], input: 'json', language: 'json-schema' }),
  timeout_sec: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe('Time limit in seconds; default JETTY_SCRIPT_SECONDS.'),
})

const scriptOutputs = z.object({
  result: z
    .unknown()
    .describe('The value that the script or its function main returned, or wrote to $JETTY_OUTPUT as JSON; else null.'),
  stdout: z.string().describe('What it printed: the last 64 KiB.'),
  stderr: z.string().describe('What it printed to standard error: the last 64 KiB.'),
  exit_code: z.int().nullable().describe('Exit code; null if it was ended by a limit.'),
  files: z.array(resultFileSchema).describe('Files that it wrote to the folder results.'),
  duration_seconds: z.number().describe('How long the script ran.'),
})

const shownCharacters = 500

/** The line that says what went wrong: in Python the last, in JavaScript the one before the indented lines. */
const lastWords = (stderr: string): string => {
  const lines = stderr.split('\n').filter((line) => /^\S/.test(line))
  const said = lines.at(-1)?.trim() ?? ''
  return said.length > shownCharacters ? `${said.slice(0, shownCharacters)}…` : said
}

const exited = ({ exitCode, stderr, refusedHosts }: ScriptOutcome): AppError => {
  const said = lastWords(stderr)
  const hint =
    refusedHosts.length > 0
      ? `It asked for ${refusedHosts.slice(0, 5).join(', ')}, which network does not name, or which the collection may not reach.`
      : 'The outputs stdout and stderr have what it printed.'
  return new AppError('activity_failed', `The script ended with exit code ${exitCode}${said && `: ${said}`}`, { hint })
}

const lost = new AppError('activity_failed', 'The sandbox of the script ended, and nobody knows how the script did', {
  hint: 'Run it again; if that repeats, look into the log of the server.',
  retryable: true,
})

/** Why a script that has ended counts as failed; undefined if it does not. */
const scriptFailure = (outcome: ScriptOutcome): AppError | undefined => {
  const { end, limits } = outcome
  const limited = (what: string, setting: string, code: 'too_large' | 'timed_out' = 'too_large') =>
    new AppError(code, `The script ${what}`, { hint: `Let it do less, or raise ${setting}.` })
  if (end === 'exit') return outcome.exitCode === 0 ? undefined : exited(outcome)
  if (end === 'lost') return lost
  if (end === 'cancelled') return new AppError('cancelled', 'The script was cancelled')
  return {
    timed_out: limited(
      `timed out after ${limits.seconds} s`,
      'timeout_sec of the step, or JETTY_SCRIPT_SECONDS',
      'timed_out',
    ),
    out_of_memory: limited(`needs more than ${byteSize(limits.memoryBytes)} of memory`, 'JETTY_SCRIPT_MEMORY_BYTES'),
    disk_full: limited(`wrote more than ${byteSize(limits.diskBytes)}`, 'JETTY_SCRIPT_DISK_BYTES'),
    output_limit: limited(`printed more than ${byteSize(limits.outputBytes)}`, 'JETTY_SCRIPT_OUTPUT_BYTES'),
    process_limit: limited(
      `reached its limit of ${limits.pids} processes, and ended with exit code ${outcome.exitCode}`,
      'JETTY_SCRIPT_PIDS',
    ),
  }[end]
}

const mostComparisons = 500_000
const shownIssues = 5
const mostCodeBytes = 500_000

const oneSource = 'A script has one source: give code, or file with a storage path'

/** The script as text. Throws `parameter_invalid` unless it is given in one way. */
const codeOf = async ({ code, file }: { code?: string; file?: string }, context: ActivityContext): Promise<string> => {
  if ((code === undefined) === (file === undefined)) {
    throw new AppError('parameter_invalid', oneSource)
  }
  if (file === undefined) return code as string
  const { size, name, bytes } = await context.files.open(file)
  if (size > mostCodeBytes)
    throw new AppError('too_large', `'${name}' has ${size} bytes, a script at most ${mostCodeBytes}`)
  return Buffer.from(await bytes()).toString('utf8')
}

/** Bytes of a variable, with the sign between name and value and the end: Linux passes no more to a program. */
const longestVariable = 128 * 1024
/** Bytes of all variables together, for the same reason. */
const mostVariables = 1024 * 1024

const bytesOf = (name: string, value: string): number => Buffer.byteLength(name) + Buffer.byteLength(value) + 2

/** The variables that the script sees. Throws `parameter_invalid` with all that are missing. */
const environmentOf = (names: readonly string[], context: ActivityContext): Record<string, string> => {
  const missing = names.filter((name) => context.env(name) === undefined)
  if (missing.length > 0) {
    throw new AppError('parameter_invalid', `The environment has no ${missing.join(', ')}, which env names`, {
      hint: 'Set it in the environment of the collection, or send it in secret_params.',
    })
  }
  const values = names.map((name) => [name, context.env(name) ?? ''] as const)
  const unfit = values.find(([name, value]) => value.includes('\0') || bytesOf(name, value) > longestVariable)
  if (unfit) throw new AppError('parameter_invalid', `${unfit[0]} cannot be a variable: it is too long, or has a NUL`)
  if (values.reduce((sum, [name, value]) => sum + bytesOf(name, value), 0) > mostVariables) {
    throw new AppError('parameter_invalid', 'The variables that env names are longer than 1 MiB together', {
      hint: 'Give long values as inputs, or as files.',
    })
  }
  return Object.fromEntries(values)
}

type Checked = { value: Json } | { problem: string }

/** The result as a value that fits the schema. */
const resultOf = async (
  { result }: ScriptOutcome,
  schema: Record<string, unknown> | undefined,
  context: ActivityContext,
): Promise<Checked> => {
  if ('problem' in result) return { problem: `The result in $JETTY_OUTPUT cannot be used: ${result.problem}` }
  const text = result.text ?? 'null'
  await context.room(textMemory(text) + parsedMemory(text))
  const value: Json = JSON.parse(text)
  if (!schema) return { value }
  const issues = await makeSchemaChecker(schema, mostComparisons).issues(value)
  if (issues === undefined) return { problem: 'It takes too long to compare the result with output_schema' }
  if (issues.length === 0) return { value }
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${path.join('.') || 'the result'} ${message}`)
  return { problem: `The result does not fit output_schema: ${shown.join('; ')}` }
}

const outputsOf = (outcome: ScriptOutcome, result: Json): z.input<typeof scriptOutputs> => ({
  result,
  stdout: outcome.stdout,
  stderr: outcome.stderr,
  exit_code: outcome.end === 'exit' || outcome.end === 'process_limit' ? outcome.exitCode : null,
  files: outcome.files,
  duration_seconds: Math.round(outcome.durationMs) / 1000,
})

/** Finds packages without an exact version where language and packages are written out. */
const packageFaults = ({ language, packages }: Readonly<Record<string, unknown>>): ParameterFault[] => {
  const known = Object.entries(languageNames).find(([name]) => name === language)?.[1]
  if (known === undefined || !Array.isArray(packages)) return []
  const fault = packageFault(known, packages.map(String))
  return fault ? [{ parameter: 'packages', ...fault }] : []
}

/** Runs code of the user in a sandbox. */
export const script = activity({
  name: 'script',
  category: 'data',
  structuredOutput: 'result',
  description:
    'Runs Python, JavaScript or a shell script in a sandbox, without network and secrets unless they are named.',
  parameters: scriptParameters,
  outputs: scriptOutputs,
  example: {
    activity: 'script',
    language: 'python',
    inputs: { orders_path: 'init_params.orders', rate: 1.1 },
    code: 'def main(orders, rate):\n    return {"total": round(sum(one["amount"] for one in orders) * rate, 2)}\n',
    output_schema: { type: 'object', required: ['total'], properties: { total: { type: 'number' } } },
  },
  nested: ['inputs'],
  literal: ['code', 'output_schema'],
  pathsInArrays: ['files'],
  inSandbox: true,
  effects: 'writes',
  findFaults: ({ literal, has }) => [
    ...(has('code') === has('file') ? [{ parameter: has('code') ? 'file' : 'code', message: oneSource }] : []),
    ...packageFaults(literal),
  ],
  alsoCalled: [
    'code',
    'python',
    'python3',
    'javascript',
    'js',
    'node',
    'nodejs',
    'bash',
    'shell',
    'sh',
    'execute_command',
  ],
  gotchas: [
    'In Python, main is called with inputs by the names of its parameters; in JavaScript with (inputs, files). A script without main returns its value with return.',
    'In a shell script $INPUT_NAME has the input name, and inputs.json has all; write the result to $JETTY_OUTPUT as JSON.',
    'Files that the script writes to the folder results become stored files, also if it fails.',
    'It sees no variables, hosts and files except those that env, network and files name. It fails where the server has no sandbox.',
    'After a crash of the server it starts again in a fresh sandbox; a replay takes the recorded result.',
  ],
  async run({ language, inputs, files, env, network, packages, output_schema, timeout_sec, ...source }, context) {
    const code = await codeOf(source as { code?: string; file?: string }, context)
    const text = JSON.stringify(inputs ?? {})
    await context.room(textMemory(text))
    const outcome = await context.runScript({
      ...{ language: languageNames[language], code, inputs: text, files, network },
      ...{ env: environmentOf(env, context), packages, seconds: timeout_sec },
    })
    for (const message of outcome.warnings) context.warn(message)
    const failure = scriptFailure(outcome)
    if (failure) return new FailedWith(failure, outputsOf(outcome, null))
    const checked = await resultOf(outcome, output_schema, context)
    if ('value' in checked) return outputsOf(outcome, checked.value)
    const hint = 'The outputs stdout and stderr have what the script printed.'
    return new FailedWith(new AppError('activity_failed', checked.problem, { hint }), outputsOf(outcome, null))
  },
})
