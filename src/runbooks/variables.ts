import { asText } from '../lib/text/as-text.ts'
import { type Parameter, type Runbook, wordsOf } from './format/runbook.ts'

/** What stands in the place of `{{name}}`; undefined leaves it as it is written. */
export type Variables = (name: string) => string | undefined

// `${{ … }}` belongs to a language of its own that runbooks quote.
export const placeholder = /(?<!\$)\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g

/** Puts values in the place of `{{name}}`, in one pass: what is put in is never looked at again. */
export const fillVariables = (text: string, variables: Variables): string =>
  text.replace(placeholder, (whole, name: string) => variables(name) ?? whole)

/** A value by its own name; undefined where it is null or not there. */
export const own = (values: Readonly<Record<string, unknown>>, name: string): string | undefined =>
  Object.hasOwn(values, name) && values[name] !== null && values[name] !== undefined ? asText(values[name]) : undefined

/** The default of a parameter as its table has it; undefined where the table has none. */
const defaultOf = ({ says, preset }: Parameter, resultsDir: string): string | undefined => {
  if (says === 'empty') return ''
  if (says !== 'value') return undefined
  const filled = fillVariables(preset.trim(), (name) => (name === 'results_dir' ? resultsDir : undefined))
  return filled.search(placeholder) >= 0 ? undefined : filled
}

/**
 * Finds the name that a variable's value was given by: its own, or one that differs in case and `-` alone. The names are
 * looked through once.
 */
export const namesIn = (given: Readonly<Record<string, unknown>>): ((variable: string) => string | undefined) => {
  const byWords = new Map<string, string>()
  for (const name of Object.keys(given)) {
    const words = own(given, name) === undefined ? undefined : wordsOf(name)
    if (words !== undefined && !byWords.has(words)) byWords.set(words, name)
  }
  return (variable) => (own(given, variable) !== undefined ? variable : byWords.get(variable.toLowerCase()))
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
  for (const parameter of parameters) {
    if (parameter.variable !== undefined) defaults.set(parameter.variable, defaultOf(parameter, resultsDir))
  }
  const nameOf = namesIn(given)
  return (name) => {
    if (name === 'results_dir') return resultsDir
    if (name.startsWith('secrets.')) {
      const variable = environment.get(name.slice('secrets.'.length))
      return variable === undefined ? undefined : `$${variable}`
    }
    return own(given, (defaults.has(name) ? nameOf(name) : undefined) ?? name) ?? defaults.get(name)
  }
}

/** Parameters whose value appears nowhere by itself: most published runbooks speak of them in words alone. */
const unplaced = ({ parameters, variables }: Runbook): (Parameter & { variable: string })[] => {
  const used = new Set(variables.map(({ name }) => name))
  return parameters.flatMap((parameter) => {
    const { variable, isPlaced } = parameter
    return variable === undefined || isPlaced || used.has(variable) ? [] : [{ ...parameter, variable }]
  })
}

/**
 * The text that the agent reads: variables filled, and below the table of parameters what was given for those that the
 * text names in words alone. There it stands as JSON, in one line, so that no value begins a block of its own.
 */
export const instructionOf = (
  runbook: Runbook,
  text: string,
  given: Readonly<Record<string, unknown>>,
  variables: Variables,
): string => {
  const nameOf = namesIn(given)
  const told = unplaced(runbook).flatMap(({ name, variable, line }) => {
    const value = own(given, nameOf(variable) ?? variable)
    return value === undefined ? [] : [{ line, text: `- ${name}: ${JSON.stringify(value)}` }]
  })
  const [first] = told
  if (!first) return fillVariables(text, variables)
  const lines = text.split(/\r\n|\r|\n/)
  const rows = new Set(runbook.parameters.map(({ line }) => line))
  let end = first.line
  while (rows.has(end + 1)) end++
  return [
    fillVariables(lines.slice(0, end).join('\n'), variables),
    `\nGiven for this run:\n\n${told.map((one) => one.text).join('\n')}`,
    fillVariables(lines.slice(end).join('\n'), variables),
  ].join('\n')
}

const fileNames =
  /(^|_)(files?|documents?|images?|photos?|pdfs?|csvs?|spreadsheets?|datasets?|attachments?|uploads?|recordings?|transcripts?|archives?)(_|$)/
/** Whether a parameter is called so that a file which is sent along may be what it means. */
export const isNameOfFile = (variable: string): boolean => fileNames.test(variable)

/**
 * Variables without a value: parameters that the text uses or the table requires, and all others that the text uses.
 * Where inputs are sent along, they are what a required "Input file" stands for that the text uses in words alone.
 */
export const unfilledOf = (
  runbook: Runbook,
  variables: Variables,
  hasFiles = false,
): { missing: string[]; unknown: string[] } => {
  const declared = new Set(runbook.parameters.map(({ variable }) => variable))
  const used = new Set(runbook.variables.map(({ name }) => name))
  const required = runbook.parameters.flatMap(({ variable, says, isPlaced }) => {
    if (variable === undefined || says !== 'required') return []
    return hasFiles && !isPlaced && isNameOfFile(variable) ? [] : [variable]
  })
  const unfilled = [...new Set([...required, ...used])].filter((name) => variables(name) === undefined)
  return {
    missing: unfilled.filter((name) => declared.has(name)),
    unknown: unfilled.filter((name) => !declared.has(name)),
  }
}
