import { asText } from '../../lib/text/as-text.ts'
import { type Parameter, type Runbook, wordsOf } from './format/runbook.ts'

/** Returns the replacement of `{{name}}`; undefined leaves it unchanged. */
export type Variables = (name: string) => string | undefined

// `${{ … }}` belongs to another language that runbooks quote.
export const placeholder = /(?<!\$)\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g

/** Fills `{{name}}` in one pass: inserted text is not scanned again. */
export const fillVariables = (text: string, variables: Variables): string =>
  text.replace(placeholder, (whole, name: string) => variables(name) ?? whole)

/** Reads an own property as text; undefined when it is null or absent. */
export const own = (values: Readonly<Record<string, unknown>>, name: string): string | undefined =>
  Object.hasOwn(values, name) && values[name] !== null && values[name] !== undefined ? asText(values[name]) : undefined

/** Default of a parameter from its table; undefined without one. */
const defaultOf = ({ says, preset }: Parameter, resultsDir: string): string | undefined => {
  if (says === 'empty') return ''
  if (says !== 'value') return undefined
  const filled = fillVariables(preset.trim(), (name) => (name === 'results_dir' ? resultsDir : undefined))
  return filled.search(placeholder) >= 0 ? undefined : filled
}

/**
 * Makes a lookup from a variable to the given name: identical, or different only in case and `-`. Indexes the names
 * once.
 */
export const nameFinder = (given: Readonly<Record<string, unknown>>): ((variable: string) => string | undefined) => {
  const byWords = new Map<string, string>()
  for (const name of Object.keys(given)) {
    const words = own(given, name) === undefined ? undefined : wordsOf(name)
    if (words !== undefined && !byWords.has(words)) byWords.set(words, name)
  }
  return (variable) => (own(given, variable) !== undefined ? variable : byWords.get(variable.toLowerCase()))
}

/**
 * Variables of a run: values of the request, then defaults of the runbook's table. A secret is represented by the name
 * of its environment variable, never by its value.
 */
export const variablesOf = (
  { secrets, parameters }: Runbook,
  given: Readonly<Record<string, unknown>>,
  resultsDir: string,
): Variables => {
  const environment = new Map(secrets.flatMap(({ name, env }) => [[name, env] as const, [env, env] as const]))
  const defaults = new Map<string, string | undefined>()
  const nameOf = nameFinder(given)
  const isGiven = (name: string) => !!own(given, nameOf(name) ?? name)
  for (const parameter of parameters) {
    if (parameter.variable === undefined) continue
    const replaced = parameter.alternatives.some(isGiven) ? '' : undefined
    defaults.set(parameter.variable, defaultOf(parameter, resultsDir) ?? replaced)
  }
  return (name) => {
    if (name === 'results_dir') return resultsDir
    if (name.startsWith('secrets.')) {
      const variable = environment.get(name.slice('secrets.'.length))
      return variable === undefined ? undefined : `$${variable}`
    }
    return own(given, (defaults.has(name) ? nameOf(name) : undefined) ?? name) ?? defaults.get(name)
  }
}

/** Parameters whose value appears nowhere in the text: most published runbooks refer to them in words. */
const unplaced = ({ parameters, variables }: Runbook): (Parameter & { variable: string })[] => {
  const used = new Set(variables.map(({ name }) => name))
  return parameters.flatMap((parameter) => {
    const { variable, isPlaced } = parameter
    return variable === undefined || isPlaced || used.has(variable) ? [] : [{ ...parameter, variable }]
  })
}

/**
 * Builds the text for the agent: variables filled, and below the parameter table the values of parameters that the text
 * refers to only in words. They are written as JSON on one line, so that no value starts a Markdown block.
 */
export const instructionOf = (
  runbook: Runbook,
  text: string,
  given: Readonly<Record<string, unknown>>,
  variables: Variables,
): string => {
  const nameOf = nameFinder(given)
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
/** Whether a parameter's name suggests that an input file may stand for it. */
export const isNameOfFile = (variable: string): boolean => fileNames.test(variable)

/**
 * Variables without a value that are used in the text, or required by the table. With input files, a required "Input
 * file" that the text mentions only in words counts as given.
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
