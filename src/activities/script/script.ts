import type { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { parsedMemory, textMemory } from '../../lib/memory/json-memory.ts'
import { languageNames, packageFault, type ScriptOutcome } from '../../model/scripts/script-run.ts'
import type { ParameterFault } from '../../model/workflows/step-parameters.ts'
import { type ActivityContext, activity, FailedWith, type Json } from '../activity.ts'
import { scriptFailure } from './script-failure.ts'
import { scriptOutputs, scriptParameters } from './script-parameters.ts'

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
