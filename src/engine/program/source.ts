import type { Guess } from '../../lib/text/nearest.ts'
import { type Path, parsePath } from './paths.ts'
import { type Remark, type Report, reportInside } from './remark.ts'

/** Source of a parameter's value, compiled once from the config, so that resolving a step is only a data lookup. */
export type Source =
  | { kind: 'value'; value: unknown }
  | { kind: 'path'; path: Path }
  | { kind: 'text'; parts: (string | Path)[] }
  | { kind: 'list'; items: Source[] }
  | { kind: 'object'; entries: [string, Source][] }

/** Roots that a step may name: `known` ones exist, `problem` explains why another does not. */
export interface Roots {
  known(root: string): boolean
  problem(path: Path): Remark | undefined
}

/** Collects errors and warnings about a step. */
export interface Notes {
  report: Report
  warnings: Remark[]
  guess: Guess
}

const isLiteralText = (text: string): boolean => text.includes('/')

/** Compiles a reference: a path, or an array or object of paths; a literal when the text cannot be a path. */
export const reference = (written: unknown, roots: Roots, report: Report): Source => {
  if (typeof written === 'string') {
    if (isLiteralText(written)) return { kind: 'value', value: written }
    const path = parsePath(written)
    if (!path) {
      report(`'${clip(written)}' is not a path; expected something like init_params.name or step.outputs.text`)
      return { kind: 'value', value: undefined }
    }
    const problem = roots.problem(path)
    if (problem) report(problem.message, problem)
    return { kind: 'path', path }
  }
  if (Array.isArray(written)) {
    return {
      kind: 'list',
      items: written.map((item, at) =>
        typeof item === 'string' ? reference(item, roots, reportInside(report, at)) : { kind: 'value', value: item },
      ),
    }
  }
  if (typeof written === 'object' && written !== null) {
    return {
      kind: 'object',
      entries: Object.entries(written).map(([key, item]) => [key, reference(item, roots, reportInside(report, key))]),
    }
  }
  return { kind: 'value', value: written }
}

/** Compiles a declared parameter named `…_path`: literal, unless it is a path with a known root. */
export const literalUnlessPath = (written: unknown, roots: Roots, report: Report): Source => {
  if (Array.isArray(written)) {
    return simplify({
      kind: 'list',
      items: written.map((item, at) => literalUnlessPath(item, roots, reportInside(report, at))),
    })
  }
  const path = typeof written === 'string' && !isLiteralText(written) ? parsePath(written) : undefined
  return path && roots.known(path.root) ? reference(written, roots, report) : staticValue(written, roots, report)
}

/** Compiles a static value; `{{ path }}` in its strings is replaced at any depth when the root is known. */
export const staticValue = (written: unknown, roots: Roots, report: Report): Source => {
  if (typeof written === 'string') return inlineTemplate(written, roots, report)
  if (Array.isArray(written)) {
    return simplify({
      kind: 'list',
      items: written.map((item, at) => staticValue(item, roots, reportInside(report, at))),
    })
  }
  if (typeof written === 'object' && written !== null) {
    return simplify({
      kind: 'object',
      entries: Object.entries(written).map(([key, item]) => [key, staticValue(item, roots, reportInside(report, key))]),
    })
  }
  return { kind: 'value', value: written }
}

/** Compiles a nested object: keys that end in `_path` are references, at any depth. */
export const nestedObject = (written: unknown, roots: Roots, report: Report): Source => {
  if (Array.isArray(written)) {
    return simplify({
      kind: 'list',
      items: written.map((item, at) => nestedObject(item, roots, reportInside(report, at))),
    })
  }
  if (typeof written !== 'object' || written === null) return staticValue(written, roots, report)
  const keys = Object.entries(written)
  const byPath = new Set(keys.map(([key]) => referenceTarget(key)))
  const entries = keys.flatMap(([key, item]): [string, Source][] => {
    const target = referenceTarget(key)
    if (target !== undefined) return [[target, reference(item, roots, reportInside(report, key))]]
    return byPath.has(key) ? [] : [[key, nestedObject(item, roots, reportInside(report, key))]]
  })
  return simplify({ kind: 'object', entries })
}

/** The parameter that a key gives by path; undefined if the key gives a value. */
export const referenceTarget = (key: string): string | undefined =>
  key.endsWith('_path_expr') ? key.slice(0, -10) : key.endsWith('_path') ? key.slice(0, -5) : undefined

const inlineTemplate = (text: string, roots: Roots, report: Report): Source => {
  if (!text.includes('{{')) return { kind: 'value', value: text }
  const parts: (string | Path)[] = []
  let from = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', from)) {
    const close = text.indexOf('}}', open + 2)
    if (close < 0) break
    const path = parsePath(text.slice(open + 2, close))
    if (path && path.root !== 'env' && roots.known(path.root)) {
      const problem = roots.problem(path)
      if (problem) report(problem.message, problem)
      parts.push(text.slice(from, open), path)
    } else parts.push(text.slice(from, close + 2))
    from = close + 2
  }
  parts.push(text.slice(from))
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
    default:
      return []
  }
}

const clip = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}…` : text)
