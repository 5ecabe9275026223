import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { Binding } from '../program/bindings.ts'
import { question } from '../program/finding.ts'
import { type Path, readPath, whyNotFound } from '../program/paths.ts'
import type { ProgramStep } from '../program/program.ts'
import { callbackIn, type Source } from '../program/source.ts'
import { absenceOf, type Loaded, sectionsOf } from './step-results.ts'
import type { StepRun } from './step-run.ts'

/** The values of path roots while one step is resolved. */
export interface Scope {
  initParams: Record<string, unknown>
  /** `{inputs, outputs, config, status, error}` of an earlier step. */
  step(name: string): unknown
  env(name: string): string | undefined
  /** Names of the environment, to find the one that was meant. */
  envNames?: readonly string[]
  /** URL that continues a step; absent in a workflow that reads no callbacks. */
  callback?: ((step: string) => string | undefined) | undefined
  /** Why a step that may be named has nothing to read: it was skipped, or has not run yet. */
  absence?(name: string): string | undefined
  /** Maximum length of the text that references in one parameter produce. */
  mostText?: number
}

export interface Resolved {
  parameters: Record<string, unknown>
  warnings: string[]
}

/** Looks every parameter of a step up. Throws `reference_missing` when one that was given leads to nothing. */
const resolveStep = (step: ProgramStep, scope: Scope): Resolved => {
  const parameters: [string, unknown][] = []
  const warnings: string[] = []
  for (const binding of step.bindings) {
    const value = resolveBinding(step, binding, scope, warnings)
    if (value !== undefined) parameters.push([binding.parameter, value])
  }
  return { parameters: Object.fromEntries(parameters), warnings }
}

/**
 * The parameters of a step, and a function that makes their JSON text to show. With large parameters it is large too.
 */
export interface ShownParameters extends Resolved {
  shown(): string
}

export interface Resolving {
  /** Results that were read back for this step. */
  loaded?: Loaded | undefined
  initParams: Record<string, unknown>
  mostText: number
  env?: Scope['env']
}

/** The parameters of a step of a run. */
export const resolveParameters = (
  run: StepRun,
  step: ProgramStep,
  { loaded, initParams, mostText, env = run.environment.get }: Resolving,
): ShownParameters => {
  const scope: Scope = {
    initParams,
    step: (name) => sectionsOf(run, name, loaded),
    env,
    envNames: run.environment.names,
    callback: step.callbacks.length > 0 ? run.environment.callback : undefined,
    absence: (name) => absenceOf(run, name),
    mostText,
  }
  const { parameters, warnings } = resolveStep(step, scope)
  const visible = step.usesEnvironment
    ? resolveStep(step, { ...scope, env: (name) => (env(name) === undefined ? undefined : '***') }).parameters
    : parameters
  const masked = step.activity.secret.filter((name) => visible[name] !== undefined).map((name) => [name, '***'])
  return {
    parameters,
    warnings,
    shown: () => {
      const plain = step.tools.length > 0 ? { ...visible, tools: maskedTools(step, visible.tools) } : visible
      return run.environment.scrub.json(masked.length > 0 ? { ...plain, ...Object.fromEntries(masked) } : plain)
    },
  }
}

/** The tools of a step, with the credentials that their config fixes struck out. */
const maskedTools = ({ tools }: ProgramStep, shown: unknown): unknown =>
  (shown as { config?: Record<string, unknown> }[]).map((tool, at) => {
    const secret = (tools[at]?.activity?.secret ?? []).filter((name) => tool.config?.[name] !== undefined)
    return { ...tool, config: { ...tool.config, ...Object.fromEntries(secret.map((name) => [name, '***'])) } }
  })

/** What a step is resolved with, and where its warnings go. */
interface Lookup {
  scope: Scope
  /** Whether what leads to nothing is left out, with a warning. */
  isLenient: boolean
  warn(message: string): void
}

const resolveBinding = (step: ProgramStep, binding: Binding, scope: Scope, warnings: string[]): unknown => {
  const { parameter, source } = binding
  const warn = (message: string) => warnings.push(message)
  const lookup: Lookup = { scope, isLenient: binding.isLenient, warn }
  const first = resolveSource(source, lookup, parameter)
  if (first.found && first.value !== null && first.value !== undefined) return first.value
  if (binding.fallback) {
    const second = resolveSource(binding.fallback, lookup, parameter)
    if (second.found && second.value !== null && second.value !== undefined) {
      if (!isIntended(first)) warn(`parameter '${parameter}': ${why(first, source)}; its static value is used`)
      return second.value
    }
  }
  if (binding.missing !== undefined) {
    if (!first.found && !isIntended(first)) {
      warn(`parameter '${parameter}': ${why(first, source)}; it counts as ${binding.missing}`)
    }
    return binding.missing
  }
  if (source.kind === 'value') return source.value
  const isWhole = source.kind !== 'list' || first.found // every element of a list of references must lead somewhere
  if (binding.required || !isWhole || !mayBeUnset(binding, first)) throw missingReference(step, binding, first)
  if (!first.found && !isIntended(first) && !isOfStandardTask(step, first)) {
    warn(`parameter '${parameter}' is not given: ${why(first, source)}`)
  }
  return undefined
}

/** Whether an optional parameter without a value stays unset. */
const mayBeUnset = ({ isLenient }: Binding, outcome: Outcome): boolean =>
  isLenient || (!outcome.found && outcome.path.isOptional === true)

/** The standard task of runbooks refers to parameters that its runs leave out. */
const isOfStandardTask = ({ activity }: ProgramStep, { path }: Missing): boolean =>
  activity.carriesOut !== undefined && path.root === 'init_params'

const missingReference = (
  step: ProgramStep,
  { parameter, key, required, source }: Binding,
  outcome: Outcome,
): AppError => {
  const at = outcome.found ? parameter : outcome.parameter
  const text = outcome.found ? (source.kind === 'path' ? source.path.text : undefined) : outcome.path.text
  const isPlain = at === parameter && source.kind === 'path'
  const beside = isPlain ? `, or set ${parameter} beside ${key} as the default` : ''
  return new AppError(
    'reference_missing',
    `Step '${step.name}': parameter '${at}' ${required ? 'is required, but' : 'has no value:'} ${why(outcome, source)}`,
    required || text === undefined ? {} : { hint: `Write "${text}?" if the value may be missing${beside}.` },
  )
}

/** The value of a parameter; undefined if its source has none. */
export const givenBy = ({ source, fallback, parameter }: Binding, scope: Scope): unknown => {
  const lookup: Lookup = { scope, isLenient: true, warn: () => {} }
  for (const one of fallback ? [source, fallback] : [source]) {
    const outcome = resolveSource(one, lookup, parameter)
    if (outcome.found && outcome.value !== null) return outcome.value
  }
  return undefined
}

interface Missing {
  found: false
  path: Path
  reason: string
  /** The parameter, or the member of it, that the path was for. */
  parameter: string
  /** Whether the workflow reckons with it, so that no warning is needed. */
  isIntended: boolean
  /** Whether its step was skipped, or has not run yet. */
  isAbsent: boolean
}

type Outcome = { found: true; value: unknown } | Missing

const isIntended = (outcome: Outcome): boolean => !outcome.found && outcome.isIntended

const why = (outcome: Outcome, source: Source): string => {
  if (!outcome.found) return `'${outcome.path.text}' leads to nothing: ${outcome.reason}`
  return source.kind === 'path' ? `'${source.path.text}' is null` : 'it is null'
}

const resolveSource = (source: Source, lookup: Lookup, parameter: string): Outcome => {
  switch (source.kind) {
    case 'value':
      return { found: true, value: source.value }
    case 'path':
      return resolvePath(source.path, lookup, parameter)
    case 'text':
      return resolveText(source.parts, lookup, parameter)
    case 'list': {
      const items: unknown[] = []
      for (const [at, item] of source.items.entries()) {
        const outcome = resolveSource(item, lookup, `${parameter}.${at}`)
        if (outcome.found) items.push(outcome.value)
        else if (!outcome.isAbsent && !outcome.path.isOptional) return outcome // else the branches that were not taken
      }
      return { found: true, value: items }
    }
    case 'object': {
      const entries: [string, unknown][] = []
      for (const [key, item] of source.entries) {
        const member = `${parameter}.${key}`
        const outcome = resolveSource(item, lookup, member)
        if (outcome.found) entries.push([key, outcome.value])
        else if (!outcome.path.isOptional && !lookup.isLenient) return outcome
        else if (!outcome.isIntended) lookup.warn(`parameter '${member}' is not given: ${why(outcome, item)}`)
      }
      return { found: true, value: Object.fromEntries(entries) }
    }
    case 'default': {
      const first = resolveSource(source.source, lookup, parameter)
      if (first.found && first.value !== null) return first
      if (!isIntended(first)) lookup.warn(`parameter '${parameter}': ${why(first, source.source)}; its default is used`)
      return resolveSource(source.otherwise, lookup, parameter)
    }
  }
}

/** Follows a path; one with a question mark treats null as nothing. */
const resolvePath = (path: Path, { scope }: Lookup, parameter: string): Outcome => {
  const outcome = follow(path, scope, parameter)
  if (!path.isOptional) return outcome
  if (outcome.found && outcome.value !== null) return outcome
  return outcome.found
    ? { found: false, path, parameter, reason: 'it is null', isIntended: true, isAbsent: false }
    : { ...outcome, isIntended: true }
}

const resolveText = (parts: (string | Path)[], lookup: Lookup, parameter: string): Outcome => {
  const { mostText = Number.MAX_SAFE_INTEGER } = lookup.scope
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else {
      const outcome = resolvePath(part, lookup, parameter)
      if (!outcome.found && !part.isOptional) return outcome
      text += outcome.found ? asText(outcome.value) : ''
      if (text.length > mostText) throw textTooLong(part, mostText)
    }
  }
  return { found: true, value: text }
}

const textTooLong = ({ text }: Path, most: number): AppError =>
  new AppError('output_too_large', `'{{${text}}}' produces a text of more than ${byteSize(most)}`, {
    hint: 'Insert less into one text, or raise JETTY_MAX_OUTPUT_BYTES.',
  })

const follow = (path: Path, scope: Scope, parameter: string): Outcome => {
  if (path.root === 'env') return followEnv(path, scope, parameter)
  const [callback] = scope.callback ? callbackIn(path) : []
  if (callback !== undefined) return { found: true, value: scope.callback?.(callback) }
  const root = path.root === 'init_params' ? scope.initParams : scope.step(path.root)
  const reading = readPath(root, path.segments)
  if (reading.found) return reading
  const absence = scope.absence?.(path.root)
  const isAbsent = absence !== undefined
  return {
    found: false,
    path,
    parameter,
    reason: absence ?? whyNotFound(path, reading),
    isIntended: isAbsent,
    isAbsent,
  }
}

const followEnv = (path: Path, { env, envNames }: Scope, parameter: string): Outcome => {
  const segment = path.segments[0]
  const name = segment?.kind === 'name' ? segment.name : ''
  const value = path.segments.length === 1 ? env(name) : undefined
  if (value !== undefined) return { found: true, value }
  const near = question(nearest(name, envNames ?? []))
  const reason = `the run's environment has no '${name}'${near || '; set it in the collection'}`
  return { found: false, path, parameter, reason, isIntended: false, isAbsent: false }
}
