import type { Guess } from '../../lib/text/nearest.ts'
import { eventActivity } from '../../model/events/event.ts'
import { reservedStepNames } from '../../model/workflows/workflow.ts'
import { type Finding, type Inside, question, type Report, reportInside } from './finding.ts'
import type { GuessStep, WrittenStep } from './flow.ts'
import { type Path, parseReference } from './paths.ts'

/** Source of a parameter's value, compiled once from the config, so that resolving a step is only a data lookup. */
export type Source =
  | { kind: 'value'; value: unknown }
  | { kind: 'path'; path: Path }
  | { kind: 'text'; parts: (string | Path)[] }
  | { kind: 'list'; items: Source[] }
  | { kind: 'object'; entries: [key: string, source: Source][] }
  /** A value for when the source leads to nothing. */
  | { kind: 'default'; source: Source; otherwise: Source }

/** Roots that a step may name: `known` ones exist, `problem` explains why another does not. */
export interface Roots {
  known(root: string): boolean
  problem(path: Path): Finding | undefined
}

/** Collects errors and warnings about a step. */
export interface Notes {
  /** Takes an error, with which no run begins. */
  report: Report
  /** Takes what the definition says in vain: an error, unless the activity is lenient. */
  fault: Report
  warnings: Finding[]
  guess: Guess
}

/** How the static values of one parameter are compiled. */
export interface Writing {
  roots: Roots
  report: Report
  /** Takes a remark about a text that is used as it stands although it looks like a reference. */
  warn: Report
  /** What `_path` at the end of a member's name means. */
  members: 'names' | 'references' | 'known references'
  /** Whether `{{env.NAME}}` is filled in. */
  fillsEnvironment: boolean
  /** Whether a text that is only `{{path}}` gives the value itself instead of its text. */
  keepsTypes: boolean
  /** References that the parameter may still have. */
  references: { left: number }
}

/** What a reference is compiled with. */
type Referring = Pick<Writing, 'roots' | 'report' | 'references'>

/** Maximum references of one parameter: each takes some microseconds to compile and to resolve. */
export const mostReferences = 10_000

/** Counts a reference; reports the first one beyond the bound. */
const mayRefer = ({ references, report }: Pick<Writing, 'references' | 'report'>): boolean => {
  if (references.left-- > 0) return true
  if (references.left === -1) report(`at most ${mostReferences} references are written in one parameter`)
  return false
}

const isLiteralText = (text: string): boolean => text.includes('/')

const deeper = (outer: Inside | undefined, segment: string | number): Inside => ({ segment, outer })

/** Compiles a reference: a path, or an array or object of paths; a literal when the text cannot be a path. */
export const reference = (written: unknown, writing: Referring, inside?: Inside): Source => {
  const { roots, report } = writing
  if (typeof written === 'string') {
    if (isLiteralText(written)) return { kind: 'value', value: written }
    if (!mayRefer(writing)) return { kind: 'value', value: undefined }
    const path = parseReference(written)
    if (!path) {
      const message = `'${clip(written)}' is not a path; expected something like init_params.name or step.outputs.text`
      reportInside(report, inside, message)
      return { kind: 'value', value: undefined }
    }
    const problem = roots.problem(path)
    if (problem) reportInside(report, inside, problem.message, problem)
    return { kind: 'path', path }
  }
  if (Array.isArray(written)) {
    return {
      kind: 'list',
      items: written.map((item, at) =>
        typeof item === 'string' ? reference(item, writing, deeper(inside, at)) : { kind: 'value', value: item },
      ),
    }
  }
  if (typeof written === 'object' && written !== null) {
    return {
      kind: 'object',
      entries: Object.entries(written).map(([key, item]) => [key, reference(item, writing, deeper(inside, key))]),
    }
  }
  return { kind: 'value', value: written }
}

/** Compiles a declared parameter named `…_path`: literal, unless it is a path with a known root. */
export const literalUnlessPath = (written: unknown, writing: Writing, inside?: Inside): Source => {
  if (Array.isArray(written)) {
    return ofList(written, (item, at) => literalUnlessPath(item, writing, deeper(inside, at)))
  }
  return isKnownReference(written, writing.roots)
    ? reference(written, writing, inside)
    : staticValue(written, writing, inside)
}

const isKnownReference = (written: unknown, roots: Roots): boolean => {
  const path = typeof written === 'string' && !isLiteralText(written) ? parseReference(written) : undefined
  return path !== undefined && roots.known(path.root)
}

/**
 * Compiles a static value. At any depth `{{ path }}` in its texts is replaced when the root is known, and members whose
 * names end in `_path` are references as far as `members` says.
 */
export const staticValue = (written: unknown, writing: Writing, inside?: Inside): Source => {
  if (typeof written === 'string') return inlineTemplate(written, writing, inside)
  if (Array.isArray(written)) return ofList(written, (item, at) => staticValue(item, writing, deeper(inside, at)))
  if (typeof written === 'object' && written !== null) return members(written, writing, inside)
  return { kind: 'value', value: written }
}

/** Compiles the items of a list. A list of constants, which is most of all data, stays as it is. */
const ofList = (written: readonly unknown[], compile: (item: unknown, at: number) => Source): Source => {
  let items: Source[] | undefined
  for (const [at, item] of written.entries()) {
    const source = compile(item, at)
    if (!items && source.kind === 'value' && source.value === item) continue
    items ??= written.slice(0, at).map((value): Source => ({ kind: 'value', value }))
    items.push(source)
  }
  return items ? simplify({ kind: 'list', items }) : { kind: 'value', value: written }
}

/** Compiles the members of an object. Of a member that is given by path and by value, the value is the default. */
const members = (written: object, writing: Writing, inside?: Inside): Source => {
  const keys = Object.keys(written)
  const memberOf = (key: string): unknown => (written as Record<string, unknown>)[key]
  const hasTargets = writing.members !== 'names' && keys.some((key) => referenceTarget(key) !== undefined)
  const found = new Map<string, { byPath?: Source; byValue?: Source }>()
  let isConstant = !hasTargets
  for (const key of keys) {
    const within = deeper(inside, key)
    const item = memberOf(key)
    const target = hasTargets ? memberTarget(key, item, writing, within) : undefined
    const source = target === undefined ? staticValue(item, writing, within) : reference(item, writing, within)
    isConstant &&= source.kind === 'value' && source.value === item
    const member = target === undefined ? { byValue: source } : { byPath: source }
    found.set(target ?? key, { ...found.get(target ?? key), ...member })
  }
  if (isConstant) return { kind: 'value', value: written }
  const entries = [...found].map(([key, { byPath, byValue }]): [string, Source] => [
    key,
    byPath && byValue ? { kind: 'default', source: byPath, otherwise: byValue } : ((byPath ?? byValue) as Source),
  ])
  return simplify({ kind: 'object', entries })
}

/** The member that a key gives by reference; undefined if it gives a value. */
const memberTarget = (
  key: string,
  item: unknown,
  { members, roots, report }: Writing,
  inside: Inside,
): string | undefined => {
  const target = members === 'names' ? undefined : referenceTarget(key)
  if (target === undefined || target === '' || members === 'references') return target || undefined
  const texts = typeof item === 'object' && item !== null ? Object.values(item) : [item]
  if (texts.some((text) => isKnownReference(text, roots))) return target
  for (const text of texts) {
    const problem = meantAsReference(text, roots)
    if (problem) reportInside(report, inside, problem.message, problem)
  }
  return undefined
}

const sections = ['inputs', 'outputs', 'config', 'status', 'error']

/** The problem of a text that is surely meant as a reference, but whose root does not exist. */
const meantAsReference = (text: unknown, roots: Roots): Finding | undefined => {
  const path = typeof text === 'string' && !isLiteralText(text) ? parseReference(text) : undefined
  const [first] = path?.segments ?? []
  if (!path || !first) return undefined
  const problem = roots.problem(path)
  const isSection = first.kind === 'name' && sections.includes(first.name)
  return isSection || reservedStepNames.includes(problem?.meant ?? '') ? problem : undefined
}

/** The parameter that a key gives by path; undefined if the key gives a value. */
export const referenceTarget = (key: string): string | undefined =>
  key.endsWith('_path_expr') ? key.slice(0, -10) : key.endsWith('_path') ? key.slice(0, -5) : undefined

const inlineTemplate = (text: string, writing: Writing, inside: Inside | undefined): Source => {
  if (!text.includes('{{')) return { kind: 'value', value: text }
  const { roots, report, warn, fillsEnvironment, keepsTypes } = writing
  const parts: (string | Path)[] = []
  let from = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', from)) {
    const close = text.indexOf('}}', open + 2)
    if (close < 0 || !mayRefer(writing)) break
    const path = parseReference(text.slice(open + 2, close))
    const isKnown = path !== undefined && roots.known(path.root)
    if (isKnown && (path.root !== 'env' || fillsEnvironment)) {
      const problem = roots.problem(path)
      if (problem) reportInside(report, inside, problem.message, problem)
      parts.push(text.slice(from, open), path)
    } else {
      if (isKnown) {
        const why = 'is used as it stands: texts of this activity do not read the environment'
        reportInside(warn, inside, `'{{${path.text}}}' ${why}`)
      }
      parts.push(text.slice(from, close + 2))
    }
    from = close + 2
  }
  parts.push(text.slice(from))
  const filled = parts.filter((part) => part !== '')
  const [only] = filled
  if (keepsTypes && filled.length === 1 && typeof only === 'object') return { kind: 'path', path: only }
  return parts.every((part) => typeof part === 'string') ? { kind: 'value', value: text } : { kind: 'text', parts }
}

const constant = (source: Source): source is { kind: 'value'; value: unknown } => source.kind === 'value'

/** Collapses a list or object of constants to a constant. */
const simplify = (source: Source): Source => {
  if (source.kind === 'list' && source.items.every(constant)) {
    return { kind: 'value', value: source.items.map((item) => (constant(item) ? item.value : undefined)) }
  }
  if (source.kind === 'object' && source.entries.every(([, item]) => constant(item))) {
    return {
      kind: 'value',
      value: Object.fromEntries(source.entries.map(([key, item]) => [key, constant(item) ? item.value : undefined])),
    }
  }
  return source
}

/** Lists every path that a source reads. */
export const pathsOf = (source: Source): Path[] => {
  switch (source.kind) {
    case 'path':
      return [source.path]
    case 'text':
      return source.parts.filter((part): part is Path => typeof part !== 'string')
    case 'list':
      return source.items.flatMap(pathsOf)
    case 'object':
      return source.entries.flatMap(([, item]) => pathsOf(item))
    case 'default':
      return [...pathsOf(source.source), ...pathsOf(source.otherwise)]
    default:
      return []
  }
}

/** Lists the paths that have neither a default nor a question mark. */
export const neededPathsOf = (source: Source): Path[] => {
  if (source.kind === 'default') return neededPathsOf(source.otherwise)
  if (source.kind === 'list') return source.items.flatMap(neededPathsOf)
  if (source.kind === 'object') return source.entries.flatMap(([, item]) => neededPathsOf(item))
  return pathsOf(source).filter(({ isOptional }) => !isOptional)
}

const clip = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}…` : text)

/** Root of paths to callback URLs: `callbacks.<step>`. In a workflow with a step of that name it means the step. */
export const callbacksRoot = 'callbacks'

/** The step whose callback URL a path reads. */
export const callbackIn = ({ root, segments: [step, ...rest] }: Path): string[] =>
  root === callbacksRoot && step?.kind === 'name' && rest.length === 0 ? [step.name] : []

/**
 * Adds the callbacks of a workflow's steps to the roots that each step may name. A text with `{{callbacks.…}}` stays as it
 * is in a workflow without a step that waits for an event, as with every root that is not there.
 */
export const withCallbacks = (
  rootsOf: (index: number) => Roots,
  steps: readonly WrittenStep[],
  guessStep: GuessStep,
): ((index: number) => Roots) => {
  const waiting = new Set(steps.filter(({ activity }) => activity.name === eventActivity).map(({ name }) => name))
  const problem = (path: Path): Finding | undefined => {
    const [step] = callbackIn(path)
    if (step !== undefined && waiting.has(step)) return undefined
    if (step === undefined) {
      return { message: `'${path.text}' is no callback; expected callbacks and the name of a ${eventActivity} step` }
    }
    const meant = guessStep(step)
    const near = meant !== undefined && waiting.has(meant) ? meant : undefined
    return { message: `'${path.text}': '${step}' is no step of ${eventActivity}${question(near)}`, meant: near }
  }
  return (index) => {
    const roots = rootsOf(index)
    return {
      known: (root) => (root === callbacksRoot && waiting.size > 0) || roots.known(root),
      problem: (path) => (path.root === callbacksRoot ? problem(path) : roots.problem(path)),
    }
  }
}
