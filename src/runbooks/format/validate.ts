import type { ConformanceLevel, RunbookVerdict } from '../../model/runbooks/runbook.ts'
import { formatRules } from './format-rules.ts'
import { ownRules } from './own-rules.ts'
import type { Finding } from './rule.ts'
import { readRunbook } from './runbook.ts'

/** At most so many findings of one rule are listed. */
const mostOfOneRule = 50

/**
 * What is wrong with a runbook, and what it lacks. At `loose` only what keeps it from being carried out is an error; at
 * `strict` the missing parts of the format are errors too.
 */
export const validateRunbook = (text: string, wanted: ConformanceLevel = 'loose'): RunbookVerdict => {
  const runbook = readRunbook(text)
  const findings = [...formatRules, ...ownRules]
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
  }
}

const shown = ({ line, column, rule, message, fix }: Finding) => ({ line, column, rule, message, fix })
