import { isObject } from '../../../lib/json/json-object.ts'
import { nearest } from '../../../lib/text/nearest.ts'
import {
  type ConformanceLevel,
  ignoredFrontMatterKeys,
  modelProviders,
  type RunbookVerdict,
  runbookFrontMatterSchema,
  secretVariablePattern,
  usualRunbookLimits,
} from '../../../model/runbooks/runbook.ts'
import { runbookAgents } from '../../../model/runbooks/runbook-agents.ts'
import { evaluationKinds } from '../../../model/runbooks/runbook-evaluation.ts'
import { declaredBy, isOutside, isPartOf, mostDeclared, shownFirst } from './declared-files.ts'
import { modelFault } from './model-names.ts'
import {
  absent,
  evaluationKindsOf,
  evaluationOf,
  type Finding,
  fieldAt,
  finalChecklistOf,
  found,
  hasVerificationScript,
  joinedByOr,
  type Rule,
} from './parts.ts'
import { isParameters, listParameters, type Runbook, readRunbook, topicOf } from './runbook.ts'

const knownKeys = [...Object.keys(runbookFrontMatterSchema.shape), ...ignoredFrontMatterKeys]

/** Checks a front matter field against a closed list. */
const isListed = (field: 'agent' | 'model_provider', names: readonly string[]): Rule['look'] => {
  return (runbook) => {
    const value = runbook.fields[field]
    if (!value || names.includes(value)) return []
    const guess = nearest(value, names)
    return found(
      fieldAt(runbook, field),
      `${field} is '${value}', which this server does not support`,
      guess
        ? `Did you mean '${guess}'? Known are ${joinedByOr(names)}.`
        : `Write ${joinedByOr(names)}, or leave it out.`,
    )
  }
}

/** Host patterns that can match: a name or address, optionally below `*.`, with an optional port. */
const hostPattern = /^(\*\.)?[\p{L}\p{N}_.-]{1,255}(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/iu

const headingLine = /^ {0,3}#{1,6}(?:\s|$)/

/** Whether a text says nothing but headings. */
const hasOnlyHeadings = (body: string): boolean =>
  body.trim() !== '' && body.split('\n').every((line) => line.trim() === '' || headingLine.test(line))

const isJson = (text: string): boolean => {
  if (!/^\s*[[{]/.test(text)) return false
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

/** Rules of this server beside the published format. */
const serverRules: readonly Rule[] = [
  {
    name: 'R1',
    weight: 'wrong',
    look: ({ frontMatter, problems, body }) => [
      ...(frontMatter?.problems ?? []).flatMap((problem) =>
        found(
          problem,
          problem.message,
          problem.fix ?? 'Write the front matter as YAML; quote values with {{…}}, a colon or a # in them.',
        ),
      ),
      ...problems.flatMap((problem) =>
        found(problem, `${problem.field}: ${problem.message}`, `See ${problem.field} in docs/runbook-format.md.`),
      ),
      ...absent(
        (/\p{L}/u.test(body) && !isJson(body)) || frontMatter?.problems.some(({ fix }) => fix !== undefined) === true,
        isJson(body) ? 'The runbook is JSON, not Markdown' : 'The runbook has no text',
        'Write the instructions for the agent as Markdown, below the front matter. `jetty runbook init` begins one.',
      ),
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
          const fix = guess ? `Did you mean '${guess}'?` : 'Remove it, or keep it for readers.'
          return found(fieldAt(runbook, key), `The key '${key}' is not used`, fix)
        }),
  },
  {
    name: 'R1',
    weight: 'advice',
    look: (runbook) => {
      const verify = runbook.frontMatter?.values.verify
      if (!isObject(verify)) return []
      return unreadOf(verify).flatMap(([path, known]) => {
        const guess = nearest(path.at(-1) ?? '', known)
        const fix = guess ? `Did you mean '${guess}'?` : `It may have ${known.join(', ')}.`
        return found(fieldAt(runbook, 'verify', ...path), `${['verify', ...path].join('.')} is not used`, fix)
      })
    },
  },
  {
    name: 'R1',
    weight: 'wrong',
    look: (runbook) =>
      (runbook.fields.allowed_hosts ?? []).flatMap((host, index) =>
        hostPattern.test(host)
          ? []
          : found(
              fieldAt(runbook, 'allowed_hosts', String(index)),
              `allowed_hosts has '${host}', which is not a host name`,
              'Write api.example.com, or *.example.com for all below it; a port may follow, as in api.example.com:443.',
            ),
      ),
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
          `The parameter ${name} is not used`,
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
    look: (runbook) => {
      if (runbook.manifest.length === 0) return []
      const { primary, manifest } = declaredBy(runbook)
      return runbook.primaryOutputs.flatMap((output, index) => {
        const declared = primary[index]
        if (!declared || isPartOf(declared, manifest)) return []
        const message = `primary_outputs has ${output.path}, which is not one of the required files`
        return found(output, message, 'Add it to the table of output files.')
      })
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
            `${file.name} is outside the results folder and would not be collected`,
            'Write {{results_dir}}/ and the name, or a path relative to it.',
          ),
        ),
  },
  {
    name: 'R7',
    weight: 'missing',
    look: ({ iterationBound }) =>
      iterationBound?.rounds === 0 ? found(iterationBound, 'It may try 0 rounds', 'Allow at least one round.') : [],
  },
  {
    name: 'R8',
    weight: 'advice',
    look: (runbook) => {
      const { evaluation } = runbook.fields
      const tables = evaluationKindsOf(runbook)
      const [other] = tables
      if (evaluation !== 'rubric' && evaluation !== 'programmatic') return []
      // A script or checklist can decide a programmatic one too; only a table of scores shows that another kind is
      // meant.
      if (tables.some(({ kind }) => kind === evaluation) || (evaluation === 'programmatic' && !other)) return []
      const has = { rubric: 'scores, as a rubric has', programmatic: 'statuses, as a programmatic one has' }
      const instead = other ? `, and its table has ${has[other.kind]}` : ', and no table lists what is scored'
      const fix =
        evaluation === 'rubric'
          ? 'Add a table | # | Criterion | 5 | 3 | 1 | with a row for each criterion, or write evaluation: programmatic.'
          : 'Write evaluation: rubric, or add a table | Status | Criteria | with a row for each status.'
      return found(other ?? fieldAt(runbook, 'evaluation'), `evaluation is '${evaluation}'${instead}`, fix)
    },
  },
  {
    name: 'R9',
    weight: 'wrong',
    look: ({ manifest, primaryOutputs }) => {
      const beyond = [...primaryOutputs, ...manifest][mostDeclared]
      const fix = 'Declare a folder, or a name with * for many files.'
      return beyond ? found(beyond, `More than ${mostDeclared} files are declared`, fix) : []
    },
  },
  {
    name: 'R9',
    weight: 'advice',
    look: (runbook) => {
      const unclear = new Set(declaredBy(runbook).unclear)
      return runbook.manifest
        .filter(({ name }) => unclear.has(name))
        .flatMap((row) =>
          found(
            row,
            `'${row.name}' is not a file path that can be checked at the end`,
            'Write one path relative to {{results_dir}} in each row; use * for an unknown part.',
          ),
        )
    },
  },
  {
    name: 'R10',
    weight: 'wrong',
    look: ({ body }) =>
      absent(
        !hasOnlyHeadings(body),
        'The runbook has headings, and no text below them',
        'Write below the heading what the agent has to do.',
      ),
  },
]

const judgeKeys = ['rubric', 'threshold', 'model']

/** Unknown keys of a check, each with the known ones. */
const unreadOf = (verify: Readonly<Record<string, unknown>>): [path: string[], known: string[]][] => {
  const known = 'command' in verify ? ['command', 'timeout_sec', 'repair_rounds'] : ['judge', 'repair_rounds']
  const judge = !('command' in verify) && isObject(verify.judge) ? Object.keys(verify.judge) : []
  return [
    ...Object.keys(verify).flatMap((key): [string[], string[]][] => (known.includes(key) ? [] : [[[key], known]])),
    ...judge.flatMap((key): [string[], string[]][] => (judgeKeys.includes(key) ? [] : [[['judge', key], judgeKeys]])),
  ]
}

const templateNamesIn = (text: string): string[] =>
  [...text.matchAll(/\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g)].map((match) => match[1] ?? '')

/** Names that a row declares: `{{name}}`, `name`, or words that become one, as in "Company name". */
const namesIn = (text: string): string[] => [
  ...templateNamesIn(text),
  ...(text.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []).map((word) => word.toLowerCase()),
  text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_'),
]

const has = ({ sections }: Runbook, topic: RegExp): boolean => sections.some((section) => topic.test(topicOf(section)))

/** Rules of the published format, checked by structure and not by wording. */
const formatRules: readonly Rule[] = [
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
      const message = `evaluation is '${evaluation}'; the format knows ${joinedByOr(evaluationKinds)}`
      return found(fieldAt(runbook, 'evaluation'), message, `Write ${joinedByOr(evaluationKinds)}.`)
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
        'There is no table of the required output files',
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
        !runbook.frontMatter || shownFirst(declaredBy(runbook)).length > 0,
        'The runbook does not name its primary output file',
        'Add primary_outputs: with that file, or list it in the table of output files.',
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
        'The runbook does not limit the number of retries',
        'Write a number, such as "Iterate on Errors (max 3 rounds)".',
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
      if (!first || runbook.sections.some(isParameters)) return []
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
        'Add a heading ## Dependencies with the tools to install.',
      ),
      ...absent(
        has(runbook, /^(tips|notes|hints)\b/),
        'There is no section Tips',
        'Add a heading ## Tips with common mistakes.',
      ),
    ],
  },
  {
    name: 'V13',
    weight: 'advice',
    look: ({ todos }) =>
      todos.flatMap((todo) => found(todo, 'A {TODO: …} is left', 'Replace it with the text, or remove it.')),
  },
]

/** Maximum findings listed for one rule. */
const mostOfOneRule = 50

/**
 * Validates a runbook. At `loose` only faults that prevent execution are errors; at `strict` missing parts of the
 * format are errors too.
 */
export const validateRunbook = (
  text: string,
  wanted: ConformanceLevel = 'loose',
  limits = usualRunbookLimits,
): RunbookVerdict => {
  const runbook = readRunbook(text, limits)
  const findings = [...formatRules, ...serverRules]
    .flatMap(({ name, weight, look }) =>
      look(runbook)
        .slice(0, mostOfOneRule)
        .map((found): Finding => ({ rule: name, weight, ...found })),
    )
    .toSorted((left, right) => left.line - right.line || left.column - right.column)
  const isWrong = findings.some(({ weight }) => weight === 'wrong')
  const lacks = findings.some(({ weight }) => weight === 'missing')
  const isError = ({ weight }: Finding) => weight === 'wrong' || (weight === 'missing' && wanted === 'strict')
  const errors = findings.filter(isError).map(shown)
  return {
    valid: errors.length === 0,
    level: isWrong ? null : lacks ? 'loose' : 'strict',
    errors,
    warnings: findings.filter((finding) => !isError(finding)).map(shown),
    parameters: listParameters(runbook),
  }
}

const shown = ({ line, column, rule, message, fix }: Finding) => ({ line, column, rule, message, fix })
