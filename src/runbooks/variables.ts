import { asText } from '../lib/text/as-text.ts'
import type { PreflightCheck } from '../model/runbooks/runbook-request.ts'
import type { Runbook } from './format/runbook.ts'
import { failed, listed, ok, warned } from './preflight/checks.ts'

/** What stands in the place of `{{name}}`; undefined leaves it as it is written. */
export type Variables = (name: string) => string | undefined

// `${{ … }}` belongs to a language of its own that runbooks quote.
export const placeholder = /(?<!\$)\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g

/** Puts values in the place of `{{name}}`, in one pass: what is put in is never looked at again. */
export const fillVariables = (text: string, variables: Variables): string =>
  text.replace(placeholder, (whole, name: string) => variables(name) ?? whole)

const own = (values: Readonly<Record<string, unknown>>, name: string): string | undefined =>
  Object.hasOwn(values, name) && values[name] !== null && values[name] !== undefined ? asText(values[name]) : undefined

const noDefault =
  /^[\W_]*((none|n\/a|null|required|mandatory|optional|empty|tbd|unset|no default|(user|caller)[- ](provided|supplied))[\W_]*(\W(none|required|optional|must|ask|has to)\b.*)?|(provided|given|supplied) by\b.*|(required|mandatory)\s*[:;,.–—-].*)$/i

/** The default of a parameter as its table has it; undefined where that says that there is none. */
const defaultOf = (text: string, resultsDir: string): string | undefined => {
  const value = text.trim()
  if (value === '' || noDefault.test(value) || /^([-–—_.?*]+|<[^<>]*>)$/.test(value)) return undefined
  const filled = fillVariables(value, (name) => (name === 'results_dir' ? resultsDir : undefined))
  return filled.search(placeholder) >= 0 ? undefined : filled
}

/**
 * The variables of one run: what the request gives, then the defaults of the runbook's own table. A secret stands as the
 * name of its environment variable, never as its value.
 */
export const variablesOf = (
  { secrets, parameters }: Runbook,
  given: Readonly<Record<string, unknown>>,
  resultsDir: string,
): Variables => {
  const environment = new Map(secrets.flatMap(({ name, env }) => [[name, env] as const, [env, env] as const]))
  const defaults = new Map<string, string | undefined>()
  for (const { variable, preset } of parameters) {
    if (variable !== undefined) defaults.set(variable, defaultOf(preset, resultsDir))
  }
  return (name) => {
    if (name === 'results_dir') return resultsDir
    if (name.startsWith('secrets.')) {
      const variable = environment.get(name.slice('secrets.'.length))
      return variable === undefined ? undefined : `$${variable}`
    }
    return own(given, name) ?? defaults.get(name)
  }
}

/** Variables that the text uses and nothing fills: those that the runbook lists as parameters, and all others. */
export const unfilledOf = (runbook: Runbook, variables: Variables): { missing: string[]; unknown: string[] } => {
  const declared = new Set(runbook.parameters.map(({ variable }) => variable))
  const names = new Set(runbook.variables.map(({ name }) => name).filter((name) => variables(name) === undefined))
  return {
    missing: [...names].filter((name) => declared.has(name)),
    unknown: [...names].filter((name) => !declared.has(name)),
  }
}

const secretsUnknown = (text: string, variables: Variables): string[] => {
  const names = [...text.matchAll(placeholder)]
    .map((match) => match[1] ?? '')
    .filter((name) => name.startsWith('secrets.'))
  return [...new Set(names)].filter((name) => variables(name) === undefined)
}

/** What was given and comes to nothing: mostly a name that is written otherwise in the runbook. */
const idle = (text: string, given: Readonly<Record<string, unknown>>, variables: Variables): PreflightCheck[] => {
  const used = new Set([...text.matchAll(placeholder)].map((match) => match[1]))
  const isIdle = (name: string) => name !== 'results_dir' && !used.has(name) && own(given, name) !== undefined
  const unused = Object.keys(given).filter(isIdle)
  const checks: PreflightCheck[] = []
  if (unused.length > 0) {
    const found = `Given, and nowhere in the runbook: ${listed(unused.map((name) => `{{${name}}}`))}`
    checks.push(
      warned('variables', found, 'Name it in the text of the runbook, or leave it out.', 'template_variables'),
    )
  }
  const [there, wanted] = [variables('results_dir'), own(given, 'results_dir')]
  if (wanted !== undefined && wanted !== there) {
    const found = `{{results_dir}} is ${there} in every sandbox; ${wanted} is not used`
    checks.push(warned('variables', found, 'Leave results_dir out.', 'template_variables'))
  }
  return checks
}

export const checkVariables = (
  runbook: Runbook,
  text: string,
  given: Readonly<Record<string, unknown>>,
  variables: Variables,
): { missing: string[]; checks: PreflightCheck[] } => {
  const { missing, unknown } = unfilledOf(runbook, variables)
  const left = [...unknown, ...secretsUnknown(text, variables)]
  const checks = idle(text, given, variables)
  if (missing.length > 0) {
    const found = `No value for ${listed(missing)}`
    const fix =
      'Give each one in template_variables (for most tasks, init_params.vars), or a default in the table of parameters.'
    checks.push(failed('variables', found, fix, 'template_variables'))
  }
  if (left.length > 0) {
    const found = `Nothing is known of ${listed(left.map((name) => `{{${name}}}`))}; it stays as it is written`
    const fix = 'Give a value in template_variables, or take it out.'
    checks.push(warned('variables', found, fix, 'template_variables'))
  }
  return { missing, checks: checks.length > 0 ? checks : [ok('variables', 'All are filled')] }
}
