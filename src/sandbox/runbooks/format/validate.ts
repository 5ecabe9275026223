import type { ConformanceLevel, RunbookVerdict } from '../../../model/runbooks/runbook.ts'
import { formatRules } from './format-rules.ts'
import { listParameters } from './list-parameters.ts'
import { ownRules } from './own-rules.ts'
import type { Finding } from './rule.ts'
import { readRunbook } from './runbook.ts'

/** Maximum findings listed for one rule. */
const mostOfOneRule = 50

/**
 * Validates a runbook. At `loose` only faults that prevent execution are errors; at `strict` missing parts of the
 * format are errors too.
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
    parameters: listParameters(runbook),
  }
}

const shown = ({ line, column, rule, message, fix }: Finding) => ({ line, column, rule, message, fix })
