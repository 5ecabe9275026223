import { nearest } from '../lib/nearest.ts'
import {
  ignoredFrontMatterKeys,
  modelProviders,
  type RunbookFinding,
  runbookAgents,
  runbookFrontMatterSchema,
  secretVariablePattern,
} from '../model/runbook.ts'
import { evaluationKinds } from '../model/runbook-evaluation.ts'
import { inside } from '../model/sandbox.ts'
import { declaredFiles, inResults, isOutside } from './declared-files.ts'
import type { Position } from './front-matter.ts'
import { modelFault } from './model-names.ts'
import { evaluationKindOf, evaluationOf, finalChecklistOf, hasVerificationScript } from './parts.ts'
import { type Runbook, topicOf } from './runbook.ts'

/**
 * How bad it is. `wrong`: it cannot be carried out as it is written. `missing`: it can, but lacks a part of the strict
 * format. `advice`: it is worth a look.
 */
export type Weight = 'wrong' | 'missing' | 'advice'

export type Finding = RunbookFinding & { weight: Weight }

interface Rule {
  name: string
  weight: Weight
  look(runbook: Runbook): (Position & { message: string; fix: string })[]
}

const top: Position = { line: 1, column: 1 }
const found = (position: Position, message: string, fix: string) => [
  { line: position.line, column: position.column, message, fix },
]
const absent = (isThere: boolean, message: string, fix: string, position = top) =>
  isThere ? [] : found(position, message, fix)

const has = ({ sections }: Runbook, topic: RegExp): boolean => sections.some((section) => topic.test(topicOf(section)))
const fieldAt = ({ frontMatter }: Runbook, ...path: string[]): Position => frontMatter?.positionOf(...path) ?? top

const knownKeys = [...Object.keys(runbookFrontMatterSchema.shape), ...ignoredFrontMatterKeys]

const oneOf = (names: readonly string[]): string => `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`

/** One of a closed list, by a field of the front matter; what it names is looked up in another one. */
const isListed = (field: 'agent' | 'model_provider', names: readonly string[]): Rule['look'] => {
  return (runbook) => {
    const value = runbook.fields[field]
    if (!value || names.includes(value)) return []
    const guess = nearest(value, names)
    return found(
      fieldAt(runbook, field),
      `${field} is '${value}', which this server does not know`,
      guess ? `Did you mean '${guess}'? Known are ${oneOf(names)}.` : `Write ${oneOf(names)}, or leave it out.`,
    )
  }
}

/** Rules V1 to V13 are those of the published format, R1 to R9 ours; both look at the structure, not at words. */
export const rules: readonly Rule[] = [
  {
    name: 'V1',
    weight: 'missing',
    look: ({ frontMatter }) =>
      absent(
        frontMatter !== undefined,
        'There is no front matter',
        'Begin the file with a line ---, then keys such as version: and evaluation:, then another line ---.',
      ),
  },
  {
    name: 'V2',
    weight: 'missing',
    look: (runbook) =>
      (['version', 'evaluation'] as const).flatMap((key) =>
        absent(
          !runbook.frontMatter || (runbook.fields[key] ?? '') !== '',
          `The front matter has no ${key}`,
          key === 'version' ? 'Add version: 1.0.0' : `Add evaluation: ${evaluationKinds.join(' or evaluation: ')}`,
          fieldAt(runbook),
        ),
      ),
  },
  {
    name: 'V3',
    weight: 'missing',
    look: (runbook) => {
      const { evaluation } = runbook.fields
      if (!evaluation || evaluationKinds.some((kind) => kind === evaluation)) return []
      const message = `evaluation is '${evaluation}'; the format knows ${oneOf(evaluationKinds)}`
      return found(fieldAt(runbook, 'evaluation'), message, `Write ${oneOf(evaluationKinds)}.`)
    },
  },
  {
    name: 'V4',
    weight: 'missing',
    look: (runbook) => [
      ...absent(
        has(runbook, /^(objective|goal)s?\b/),
        'There is no Objective',
        'Add a heading ## Objective and two to five sentences under it.',
      ),
      ...absent(
        runbook.manifest.length > 0,
        'There is no table of the files that must come out',
        'Add a heading ## REQUIRED OUTPUT FILES with a table | File | Description |.',
      ),
      ...absent(
        finalChecklistOf(runbook) !== undefined,
        'There is no final checklist',
        'Add a heading ## Final Checklist with a list of - [ ] items.',
      ),
    ],
  },
  {
    name: 'V5',
    weight: 'missing',
    look: ({ body }) =>
      absent(
        body.includes('validation_report.json'),
        'It asks for no validation_report.json',
        'Let the agent write {{results_dir}}/validation_report.json with stages and overall_passed.',
      ),
  },
  {
    name: 'V6',
    weight: 'advice',
    look: ({ body }) =>
      absent(
        body.includes('summary.md'),
        'It asks for no summary.md',
        'Let the agent write {{results_dir}}/summary.md for people.',
      ),
  },
  {
    name: 'V7',
    weight: 'advice',
    look: (runbook) =>
      absent(
        !runbook.frontMatter || runbook.primaryOutputs.length > 0,
        'The front matter has no primary_outputs',
        'Add primary_outputs: with the files that people want to see first.',
        fieldAt(runbook),
      ),
  },
  {
    name: 'V8',
    weight: 'missing',
    look: (runbook) =>
      absent(
        evaluationOf(runbook) !== undefined,
        'No step evaluates the results',
        'Add a step with a table | Status | Criteria | (programmatic), or | # | Criterion | 5 | 3 | 1 | (rubric).',
      ),
  },
  {
    name: 'V9',
    weight: 'missing',
    look: ({ iterationBound }) =>
      absent(
        iterationBound !== undefined,
        'Nothing says how often it may try again',
        'Say it in numbers, such as "Iterate on Errors (max 3 rounds)".',
      ),
  },
  {
    name: 'V10',
    weight: 'missing',
    look: (runbook) =>
      absent(
        hasVerificationScript(runbook),
        'There is no script that verifies the results',
        'Add a fenced sh or python block to the final checklist that fails where a file is missing.',
      ),
  },
  {
    name: 'V11',
    weight: 'missing',
    look: (runbook) => {
      const [first] = runbook.variables
      if (!first || has(runbook, /^(parameters?|inputs?|variables?)\b/)) return []
      const fix = 'Add a heading ## Parameters with a table | Parameter | Template Variable | Default | Description |.'
      return found(first, `{{${first.name}}} is used, and no section lists the parameters`, fix)
    },
  },
  {
    name: 'V12',
    weight: 'advice',
    look: (runbook) => [
      ...absent(
        has(runbook, /^(dependencies|requirements|prerequisites)\b/),
        'There is no section Dependencies',
        'Add a heading ## Dependencies with what has to be installed.',
      ),
      ...absent(
        has(runbook, /^(tips|notes|hints)\b/),
        'There is no section Tips',
        'Add a heading ## Tips with what is easily done wrong.',
      ),
    ],
  },
  {
    name: 'V13',
    weight: 'advice',
    look: ({ todos }) =>
      todos.flatMap((todo) => found(todo, 'A {TODO: …} is left', 'Write what is meant there, or take it out.')),
  },
  {
    name: 'R1',
    weight: 'wrong',
    look: ({ frontMatter, problems, body }) => [
      ...(frontMatter?.problems ?? []).flatMap((problem) =>
        found(problem, problem.message, 'Write the front matter as YAML; quote values with a colon or a # in them.'),
      ),
      ...problems.flatMap((problem) =>
        found(problem, `${problem.field}: ${problem.message}`, `docs/runbooks.md shows what ${problem.field} may be.`),
      ),
      ...absent(body.trim() !== '', 'There is no text', 'Write below the front matter what the agent shall do.'),
    ],
  },
  {
    name: 'R1',
    weight: 'advice',
    look: (runbook) =>
      Object.keys(runbook.frontMatter?.values ?? {})
        .filter((key) => !knownKeys.includes(key))
        .flatMap((key) => {
          const guess = nearest(key, knownKeys)
          const fix = guess ? `Did you mean '${guess}'?` : 'Take it out, or leave it for readers.'
          return found(fieldAt(runbook, key), `Nothing reads the key '${key}'`, fix)
        }),
  },
  {
    name: 'R2',
    weight: 'missing',
    look: ({ variables, parameters }) => {
      const declared = new Set(parameters.flatMap(({ name, description }) => namesIn(`${name} ${description}`)))
      const seen = new Set([...declared, 'results_dir'])
      return variables.flatMap((variable) => {
        if (seen.has(variable.name)) return []
        seen.add(variable.name)
        const fix = `Add a row for ${variable.name} to the table of parameters; without a value it stays as it is written.`
        return found(variable, `{{${variable.name}}} is not among the parameters`, fix)
      })
    },
  },
  {
    name: 'R2',
    weight: 'advice',
    look: ({ variables, parameters }) => {
      const used = new Set(['results_dir', ...variables.map(({ name }) => name)])
      return parameters.flatMap((parameter) => {
        const [name] = templateNamesIn(parameter.name)
        if (name === undefined || used.has(name)) return []
        return found(
          parameter,
          `The parameter ${name} is used nowhere`,
          `Write {{${name}}} where it belongs, or drop the row.`,
        )
      })
    },
  },
  {
    name: 'R3',
    weight: 'wrong',
    look: ({ secrets }) =>
      secrets
        .filter(({ env }) => !secretVariablePattern.test(env))
        .flatMap((secret) =>
          found(
            secret,
            `The secret ${secret.name} names the variable '${secret.env}'`,
            'Write it in capitals, digits and _, such as env: APIFY_API_TOKEN.',
          ),
        ),
  },
  { name: 'R4', weight: 'wrong', look: isListed('agent', runbookAgents) },
  { name: 'R4', weight: 'wrong', look: isListed('model_provider', modelProviders) },
  {
    name: 'R4',
    weight: 'wrong',
    look: (runbook) => {
      const fault = modelFault(runbook.fields)
      return fault ? found(fieldAt(runbook, fault.field), fault.message, fault.fix) : []
    },
  },
  {
    name: 'R5',
    weight: 'missing',
    look: ({ primaryOutputs, manifest }) => {
      if (manifest.length === 0) return []
      const listed = new Set(manifest.map(({ name }) => inResults(name)))
      return primaryOutputs
        .filter(({ path }) => !listed.has(inResults(path)))
        .flatMap((output) =>
          found(
            output,
            `primary_outputs has ${output.path}, which is not among the required files`,
            'Add it to the table of output files.',
          ),
        )
    },
  },
  {
    name: 'R6',
    weight: 'wrong',
    look: ({ manifest, primaryOutputs }) =>
      [...manifest, ...primaryOutputs.map(({ path, ...at }) => ({ ...at, name: path }))]
        .filter(({ name }) => isOutside(name))
        .flatMap((file) =>
          found(
            file,
            `${file.name} is outside of the results folder, and would not be collected`,
            'Write {{results_dir}}/ and the name, or a path relative to it.',
          ),
        ),
  },
  {
    name: 'R7',
    weight: 'wrong',
    look: ({ iterationBound, sections }) =>
      iterationBound === 0
        ? found(
            sections.find((section) => /\biterat/.test(topicOf(section))) ?? top,
            'It may try 0 rounds',
            'Allow at least one round.',
          )
        : [],
  },
  {
    name: 'R8',
    weight: 'advice',
    look: (runbook) => {
      const section = evaluationOf(runbook)
      const { evaluation } = runbook.fields
      if (!section || !evaluationKinds.some((kind) => kind === evaluation)) return []
      const kinds = runbook.sections.flatMap(({ tables }) => tables.map(evaluationKindOf))
      if (kinds.some((kind) => kind === evaluation)) return []
      const message = `evaluation is '${evaluation}', and no table says what is judged by`
      const fix =
        evaluation === 'rubric'
          ? 'Add a table | # | Criterion | 5 | 3 | 1 | with a row for each criterion.'
          : 'Add a table | Status | Criteria | with a row for each status.'
      return found(section, message, fix)
    },
  },
  {
    name: 'R9',
    weight: 'advice',
    look: (runbook) => {
      const unclear = new Set(declaredFiles(runbook, () => undefined, inside.results).unclear)
      return runbook.manifest
        .filter(({ name }) => unclear.has(name))
        .flatMap((row) =>
          found(
            row,
            `'${row.name}' names no file that could be looked for when the agent is done`,
            'Write one path relative to {{results_dir}} in each row; * stands for a part that is not known.',
          ),
        )
    },
  },
]

const templateNamesIn = (text: string): string[] =>
  [...text.matchAll(/\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}/g)].map((match) => match[1] ?? '')

/** Names that a row declares: `{{name}}`, `name`, or words that become one, as in "Company name". */
const namesIn = (text: string): string[] => [
  ...templateNamesIn(text),
  ...(text.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []).map((word) => word.toLowerCase()),
  text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_'),
]
