import { makeGuesses } from '../../../lib/text/nearest.ts'
import type { PreflightCheck } from '../../../model/runbooks/runbook-request.ts'
import type { Runbook } from '../format/runbook.ts'
import { isNameOfFile, nameFinder, own, placeholder, unfilledOf, type Variables } from '../variables.ts'
import { failed, listed, ok, warned } from './checks.ts'
import { fileOffer } from './offers.ts'

type Given = Readonly<Record<string, unknown>>

const secretsUnknown = (text: string, variables: Variables): string[] => {
  const names = [...text.matchAll(placeholder)]
    .map((match) => match[1] ?? '')
    .filter((name) => name.startsWith('secrets.'))
  return [...new Set(names)].filter((name) => variables(name) === undefined)
}

/** Maximum guesses: each compares all names. */
const mostGuesses = 20

/** Warns about values that match no parameter, which are mostly misspelt names. */
const checkUnused = ({ parameters, variables }: Runbook, text: string, given: Given): PreflightCheck[] => {
  const used = new Set([...text.matchAll(placeholder)].map((match) => match[1]))
  const nameOf = nameFinder(given)
  for (const { variable } of parameters) used.add(variable && nameOf(variable))
  const isUnused = (name: string) => name !== 'results_dir' && !used.has(name) && own(given, name) !== undefined
  const unused = Object.keys(given).filter(isUnused)
  if (unused.length === 0) return []
  const known = [
    ...new Set([...parameters.flatMap(({ variable }) => variable ?? []), ...variables.map((one) => one.name)]),
  ]
  const guessOf = makeGuesses(mostGuesses)
  const shown = unused.map((name) => {
    const guess = guessOf(name, known)
    return guess ? `{{${name}}} (did you mean ${guess}?)` : `{{${name}}}`
  })
  const fix =
    known.length > 0 ? `Its parameters are ${listed(known)}.` : 'Use it in the text of the runbook, or omit it.'
  return [warned('variables', `Given, but not used in the runbook: ${listed(shown)}`, fix, 'template_variables')]
}

const checkResultsDir = (given: Given, variables: Variables): PreflightCheck[] => {
  const [there, wanted] = [variables('results_dir'), own(given, 'results_dir')]
  if (wanted === undefined || wanted === there) return []
  const found = `{{results_dir}} is always ${there} in a sandbox; ${wanted} is ignored`
  return [warned('variables', found, 'Omit results_dir.', 'template_variables')]
}

const shownExamples = 5

const checkMissing = (missing: readonly string[]): PreflightCheck[] => {
  if (missing.length === 0) return []
  const examples = missing.slice(0, shownExamples).map((name) => `init_params.vars.${name}`)
  const fix = [
    `Give values in template_variables (for most tasks, ${examples.join(', ')}).`,
    ...(missing.some(isNameOfFile) ? [fileOffer] : []),
    'Or write a default into the table of parameters; `none` lets one be empty.',
  ]
  return [failed('variables', `No value for ${listed(missing)}`, fix.join(' '), 'template_variables')]
}

/** Checks that each variable has a value, and each value a variable. */
export const checkVariables = (
  runbook: Runbook,
  text: string,
  given: Given,
  variables: Variables,
  hasFiles: boolean,
): { missing: string[]; checks: PreflightCheck[] } => {
  const { missing, unknown } = unfilledOf(runbook, variables, hasFiles)
  const left = [...unknown, ...secretsUnknown(text, variables)]
  const checks = [...checkUnused(runbook, text, given), ...checkResultsDir(given, variables), ...checkMissing(missing)]
  if (left.length > 0) {
    const found = `Nothing is known of ${listed(left.map((name) => `{{${name}}}`))}; it stays as it is written`
    const fix = 'Give a value in template_variables, or take it out.'
    checks.push(warned('variables', found, fix, 'template_variables'))
  }
  return { missing, checks: checks.length > 0 ? checks : [ok('variables', 'All are filled')] }
}
