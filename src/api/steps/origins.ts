import type { Binding } from '../../engine/program/bindings.ts'
import { nameInWorkflow } from '../../engine/program/program.ts'
import { pathsOf, type Source } from '../../engine/program/source.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'

/** Facts of a step's record about the values of its parameters. */
export interface RecordedInputs {
  /** Reads the recorded value of a parameter; undefined if it is unknown or too large to compare. */
  value(parameter: string): unknown
  /** Messages of the step's warnings. */
  warnings: readonly string[]
  /** Names of the steps that were executed before it. */
  before: ReadonlySet<string>
}

/** Characters of an expression; a longer one is cut off. */
const longestExpression = 2_000

/** Finds the expression behind each parameter of a step. Leaves out parameters with literal values. */
export const originsOf = (bindings: readonly Binding[], recorded: RecordedInputs): Record<string, string> => {
  const origins: [string, string][] = []
  for (const binding of bindings) {
    const source = usedSource(binding, recorded)
    if (source.kind !== 'value') origins.push([binding.parameter, clip(expressionOf(source))])
  }
  return Object.fromEntries(origins)
}

/** Tells whether a parameter has a second expression. Earlier steps then decide which of the two was used. */
export const hasAlternatives = (bindings: readonly Binding[]): boolean =>
  bindings.some(({ fallback }) => fallback !== undefined && fallback.kind !== 'value')

/**
 * Finds the source that was used. If a path had no value, it is the static value; a warning says so, unless the step
 * was skipped.
 */
const usedSource = ({ parameter, source, fallback }: Binding, { value, warnings, before }: RecordedInputs): Source => {
  if (!fallback) return source
  const warning = `parameter '${parameter}': `
  if (warnings.some((text) => text.startsWith(warning) && text.endsWith('its static value is used'))) return fallback
  if (fallback.kind === 'value') {
    const given = value(parameter)
    return given !== undefined && canonicalJson(given) === canonicalJson(fallback.value) ? fallback : source
  }
  const isThere = (root: string) =>
    root === 'init_params' ||
    root === 'env' ||
    root === 'callbacks' ||
    [...before].some((name) => nameInWorkflow(name, (one) => one === root) === root)
  return pathsOf(source).every(({ root }) => isThere(root)) ? source : fallback
}

const expressionOf = (source: Source): string => {
  switch (source.kind) {
    case 'path':
      return source.path.text
    case 'text':
      return source.parts.map((part) => (typeof part === 'string' ? part : `{{${part.text}}}`)).join('')
    case 'list':
      return `[${source.items.map(expressionOf).join(', ')}]`
    case 'object':
      return `{${source.entries.map(([key, item]) => `${JSON.stringify(key)}: ${expressionOf(item)}`).join(', ')}}`
    case 'default':
      return `${expressionOf(source.source)} or ${expressionOf(source.otherwise)}`
    default:
      return JSON.stringify(source.value) ?? 'null'
  }
}

const clip = (text: string): string =>
  text.length > longestExpression ? `${text.slice(0, longestExpression - 1)}…` : text
