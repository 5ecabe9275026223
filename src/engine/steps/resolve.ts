import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
import type { Binding } from '../program/bindings.ts'
import { callbackIn } from '../program/callback-paths.ts'
import { type Path, readPath, whyNotFound } from '../program/paths.ts'
import type { ProgramStep } from '../program/program.ts'
import type { Source } from '../program/source.ts'
import { absenceOf, type Loaded, sectionsOf } from './step-results.ts'
import type { StepRun } from './step-run.ts'

/** The values of path roots while one step is resolved. */
export interface Scope {
  initParams: Record<string, unknown>
  /** `{inputs, outputs, config, status, error}` of an earlier step. */
  step(name: string): unknown
  env(name: string): string | undefined
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

/** Looks every parameter of a step up. Throws `reference_missing` when a required one leads to nothing. */
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
  mostText: number
  env?: Scope['env']
}

/** The parameters of a step of a run. */
export const resolveParameters = (
  run: StepRun,
  step: ProgramStep,
  { loaded, mostText, env = run.environment.get }: Resolving,
): ShownParameters => {
  const scope: Scope = {
    initParams: run.initParams,
    step: (name) => sectionsOf(run, name, loaded),
    env,
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

const resolveBinding = (step: ProgramStep, binding: Binding, scope: Scope, warnings: string[]): unknown => {
  const first = resolveSource(binding.source, scope)
  if (first.found && first.value !== null && first.value !== undefined) return first.value
  if (binding.fallback) {
    const second = resolveSource(binding.fallback, scope)
    if (second.found && second.value !== null && second.value !== undefined) {
      if (!isAbsent(first)) {
        warnings.push(`parameter '${binding.parameter}': ${why(first, binding.source)}; its static value is used`)
      }
      return second.value
    }
  }
  if (binding.missing !== undefined) {
    if (!first.found && !isAbsent(first)) {
      warnings.push(`parameter '${binding.parameter}': ${why(first, binding.source)}; it counts as ${binding.missing}`)
    }
    return binding.missing
  }
  if (binding.source.kind === 'value') return binding.source.value
  if (binding.required || (!first.found && insideList(binding.source))) {
    throw new AppError(
      'reference_missing',
      `Step '${step.name}': parameter '${binding.parameter}' ${binding.required ? 'is required, but ' : ''}${why(first, binding.source)}`,
    )
  }
  if (!first.found && first.path.root !== 'init_params' && !isAbsent(first)) {
    warnings.push(`parameter '${binding.parameter}' is not given: ${why(first, binding.source)}`)
  }
  return undefined
}

/** The value of a parameter; undefined if its source has none. */
export const givenBy = ({ source, fallback }: Binding, scope: Scope): unknown => {
  for (const one of fallback ? [source, fallback] : [source]) {
    const outcome = resolveSource(one, scope)
    if (outcome.found && outcome.value !== null) return outcome.value
  }
  return undefined
}

/** Every element of a list of references must lead somewhere. */
const insideList = (source: Source): boolean => source.kind === 'list'

type Outcome = { found: true; value: unknown } | { found: false; path: Path; reason: string; isAbsent: boolean }

/** Whether the step was skipped or has not run yet, as the workflow intends: no warning is needed. */
const isAbsent = (outcome: Outcome): boolean => !outcome.found && outcome.isAbsent

const why = (outcome: Outcome, source: Source): string => {
  if (!outcome.found) return `'${outcome.path.text}' leads to nothing: ${outcome.reason}`
  return source.kind === 'path' ? `'${source.path.text}' is null` : 'it is null'
}

const resolveSource = (source: Source, scope: Scope): Outcome => {
  switch (source.kind) {
    case 'value':
      return { found: true, value: source.value }
    case 'path':
      return follow(source.path, scope)
    case 'text':
      return resolveText(source.parts, scope)
    case 'list': {
      const items: unknown[] = []
      for (const item of source.items) {
        const outcome = resolveSource(item, scope)
        if (!outcome.found && isAbsent(outcome)) continue // the branches that were not taken
        if (!outcome.found) return outcome
        items.push(outcome.value)
      }
      return { found: true, value: items }
    }
    case 'object': {
      const entries: [string, unknown][] = []
      for (const [key, item] of source.entries) {
        const outcome = resolveSource(item, scope)
        if (!outcome.found) return outcome
        entries.push([key, outcome.value])
      }
      return { found: true, value: Object.fromEntries(entries) }
    }
  }
}

const resolveText = (parts: (string | Path)[], scope: Scope): Outcome => {
  const { mostText = Number.MAX_SAFE_INTEGER } = scope
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else {
      const outcome = follow(part, scope)
      if (!outcome.found) return outcome
      text += asText(outcome.value)
      if (text.length > mostText) throw textTooLong(part, mostText)
    }
  }
  return { found: true, value: text }
}

const textTooLong = ({ text }: Path, most: number): AppError =>
  new AppError('output_too_large', `'{{${text}}}' produces a text of more than ${byteSize(most)}`, {
    hint: 'Insert less into one text, or raise JETTY_MAX_OUTPUT_BYTES.',
  })

const follow = (path: Path, scope: Scope): Outcome => {
  if (path.root === 'env') return followEnv(path, scope)
  const [callback] = scope.callback ? callbackIn(path) : []
  if (callback !== undefined) return { found: true, value: scope.callback?.(callback) }
  const root = path.root === 'init_params' ? scope.initParams : scope.step(path.root)
  const reading = readPath(root, path.segments)
  if (reading.found) return reading
  const absence = scope.absence?.(path.root)
  return { found: false, path, reason: absence ?? whyNotFound(path, reading), isAbsent: absence !== undefined }
}

const followEnv = (path: Path, scope: Scope): Outcome => {
  const segment = path.segments[0]
  const name = segment?.kind === 'name' ? segment.name : ''
  const value = path.segments.length === 1 ? scope.env(name) : undefined
  if (value !== undefined) return { found: true, value }
  const reason = `the run's environment has no '${name}'; set it in the collection`
  return { found: false, path, reason, isAbsent: false }
}
