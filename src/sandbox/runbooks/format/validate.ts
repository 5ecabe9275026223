import { type ConformanceLevel, type RunbookVerdict, usualRunbookLimits } from '../../../model/runbooks/runbook.ts'
import { evaluationKinds } from '../../../model/runbooks/runbook-evaluation.ts'
import { declaredBy, shownFirst } from './declared-files.ts'
import { listParameters } from './list-parameters.ts'
import { evaluationOf, finalChecklistOf, hasVerificationScript } from './parts.ts'
import { absent, type Finding, fieldAt, found, joinedByOr, type Rule } from './rule.ts'
import { isParameters, type Runbook, readRunbook, topicOf } from './runbook.ts'
import { serverRules } from './server-rules.ts'

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
