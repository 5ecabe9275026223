import { hasOpenOutputs } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { type PathFault, pathFault, type VisitBudget } from '../../lib/json-schema/schema-path.ts'
import type { Guess } from '../../lib/text/nearest.ts'
import { type Finding, question } from './finding.ts'
import { type Path, pathBefore } from './paths.ts'
import type { Program, ProgramStep } from './program.ts'

/** A finding about a path that reads an earlier step. `isCertain` unless the value may be there all the same. */
export interface ReadRemark extends Finding {
  isCertain: boolean
}

const mostNames = 8
const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : `${names.slice(0, mostNames).join(', ')}${names.length > mostNames ? ' and more' : ''}`

/** The `output_schema` of a step, if the workflow itself has it. */
export const outputSchemaOf = ({ activity, bindings }: ProgramStep): Record<string, unknown> | undefined => {
  if (activity.structuredOutput === undefined) return undefined
  const source = bindings.find(({ parameter }) => parameter === 'output_schema')?.source
  return source?.kind === 'value' && isObject(source.value) ? source.value : undefined
}

/** Bounds on the work of one check. */
export interface ReadBounds {
  guess: Guess
  /** Schemas that may still be looked at. */
  visits: VisitBudget
}

/** Finds a path to an output that its activity does not declare, or that its `output_schema` does not describe. */
export const unknownOutput = (path: Path, program: Program, bounds: ReadBounds): ReadRemark | undefined => {
  const [section, first] = path.segments
  const target = program.steps[program.indexOf.get(path.root) ?? -1]
  if (target === undefined || section?.kind !== 'name' || section.name !== 'outputs' || first?.kind !== 'name')
    return undefined
  const schema = outputSchemaOf(target)
  const { outputs, structuredOutput } = target.activity
  const isDeclared = Object.hasOwn(outputs.shape, first.name)
  if (schema !== undefined && (first.name === structuredOutput || (!isDeclared && hasOpenOutputs(target.activity)))) {
    return misfit(path, { schema, from: first.name === structuredOutput ? 2 : 1, target }, bounds)
  }
  if (isDeclared) return undefined
  const names = Object.keys(outputs.shape)
  const meant = bounds.guess(first.name, names)
  if (meant === undefined && isOpen(target)) return undefined
  const instead = meant === undefined ? `; it has ${listed(names)}` : question(meant)
  return {
    message: `'${path.text}' leads to nothing: ${target.activity.name} has no output '${first.name}'${instead}`,
    meant,
    isCertain: true,
  }
}

interface Structured {
  schema: Record<string, unknown>
  /** Segments of the path before the value that fits the schema. */
  from: number
  target: ProgramStep
}

/** Compares a path with the `output_schema` of the step that it reads. */
const misfit = (
  path: Path,
  { schema, from, target }: Structured,
  { guess, visits }: ReadBounds,
): ReadRemark | undefined => {
  const fault = pathFault(schema, path.segments.slice(from), visits)
  if (fault === undefined) return undefined
  const segment = path.segments[from + fault.at]
  const declared = from === 1 && fault.at === 0 ? Object.keys(target.activity.outputs.shape) : []
  const names = [...fault.names, ...declared]
  const meant = segment?.kind === 'name' ? guess(segment.name, names) : undefined
  if (fault.isOpen && meant === undefined) return undefined
  const before = `by the output_schema of '${path.root}', '${pathBefore(path, from + fault.at)}'`
  const leads = fault.isOpen ? `'${path.text}' may lead to nothing` : `'${path.text}' leads to nothing`
  return { message: `${leads}: ${before} ${lacking(segment, fault, names, meant)}`, meant, isCertain: !fault.isOpen }
}

const lacking = (
  segment: Path['segments'][number] | undefined,
  { isList }: PathFault,
  names: readonly string[],
  meant: string | undefined,
): string => {
  if (segment?.kind !== 'name') return `is no list${segment?.kind === 'each' ? ' or object' : ''}`
  if (names.length > 0)
    return `has no '${segment.name}'${meant === undefined ? `; it has ${listed(names)}` : question(meant)}`
  return isList
    ? `is a list and has no '${segment.name}'; [*] reads each of its elements`
    : `is no object and has no '${segment.name}'`
}

/** Parameters that add the members of an answer to the outputs. */
const addsMembers = new Set(['output_schema', 'response_format'])

/** Whether a step may have outputs beside the declared ones. */
const isOpen = ({ activity, bindings }: ProgramStep): boolean =>
  hasOpenOutputs(activity) &&
  (activity.structuredOutput === undefined || bindings.some(({ parameter }) => addsMembers.has(parameter)))
