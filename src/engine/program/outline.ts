import { hasOpenOutputs } from '../../activities/activity.ts'
import { schemaPaths } from '../../lib/json-schema/schema-path.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import {
  type CheckedStep,
  mostCheckedSteps,
  mostStructuredOutputs,
  type ParameterOrigin,
  type WorkflowOutline,
} from '../../model/workflows/workflow-check.ts'
import type { Binding } from './bindings.ts'
import { callbackIn } from './callback-paths.ts'
import { outputSchemaOf } from './output-reads.ts'
import type { Path } from './paths.ts'
import type { Program, ProgramStep } from './program.ts'
import type { Source } from './source.ts'

const mostOrigins = 50
const shownCharacters = 200

/** Describes a compiled workflow: its steps, how they follow one another, and where their parameters come from. */
export const outlineOf = (workflow: Workflow, program: Program): WorkflowOutline => {
  const broken = brokenSteps(workflow, program)
  const shown = program.steps.slice(0, mostCheckedSteps)
  return {
    execution: program.isParallel ? 'parallel' : 'sequential',
    steps: [...shown.map((step) => checkedStep(step, program)), ...broken.slice(0, mostCheckedSteps - shown.length)],
    steps_total: program.steps.length + broken.length,
    bindings: Object.fromEntries(
      shown.map(({ name, bindings }) => [
        name,
        Object.fromEntries(bindings.map((binding) => [binding.parameter, originsOf(binding)])),
      ]),
    ),
  }
}

const checkedStep = (step: ProgramStep, { steps }: Program): CheckedStep => {
  const nameAt = (index: number): string => steps[index]?.name ?? ''
  const targetAt = (index: number | undefined) => (index === undefined ? null : nameAt(index))
  return {
    name: step.name,
    activity: step.activity.name,
    is_listed: step.isListed,
    depends_on: step.dependsOn,
    after: step.after.map(nameAt),
    decided_by: step.decidedBy.map(nameAt),
    branch: step.branch ? { true: targetAt(step.branch.true[0]), false: targetAt(step.branch.false[0]) } : null,
    loop: step.loop ? { first: nameAt(step.loop.first), counter: nameAt(step.loop.counter) } : null,
    structured_outputs: structuredOutputs(step),
  }
}

/**
 * Paths into the outputs that a step has by its `output_schema`. A member that is no output of its own is read from the
 * output that has the whole value.
 */
const structuredOutputs = (step: ProgramStep): CheckedStep['structured_outputs'] => {
  const schema = outputSchemaOf(step)
  if (schema === undefined) return []
  const { activity } = step
  const isOutput = (path: string) => {
    const name = /^\.([\w-]+)/.exec(path)?.[1]
    return name !== undefined && hasOpenOutputs(activity) && !Object.hasOwn(activity.outputs.shape, name)
  }
  return schemaPaths(schema, mostStructuredOutputs).map(({ path, type }) => ({
    path: `outputs${isOutput(path) ? '' : `.${activity.structuredOutput}`}${path}`,
    type,
  }))
}

/** Listed steps that did not compile, so that an editor can still show them. */
const brokenSteps = ({ steps = [], step_configs: configs = {} }: Workflow, { indexOf }: Program): CheckedStep[] =>
  [...new Set(steps)]
    .filter((name) => !indexOf.has(name))
    .map((name) => {
      const written = Object.hasOwn(configs, name) ? configs[name]?.activity : undefined
      return {
        name,
        activity: typeof written === 'string' ? written : null,
        is_listed: true,
        depends_on: [],
        after: [],
        decided_by: [],
        branch: null,
        loop: null,
        structured_outputs: [],
      }
    })

const originsOf = ({ source, fallback }: Binding): ParameterOrigin[] =>
  [...originsIn(source), ...(fallback ? originsIn(fallback) : [])].slice(0, mostOrigins)

const originsIn = (source: Source): ParameterOrigin[] => {
  switch (source.kind) {
    case 'path':
      return [pathOrigin(source.path)]
    case 'text': {
      const written = source.parts.map((part) => (typeof part === 'string' ? part : `{{${part.text}}}`)).join('')
      const paths = source.parts.filter((part): part is Path => typeof part !== 'string')
      return [{ kind: 'template', text: clip(written), step: null }, ...paths.map(pathOrigin)]
    }
    case 'list':
      return source.items.slice(0, mostOrigins).flatMap(originsIn)
    case 'object':
      return source.entries.slice(0, mostOrigins).flatMap(([, item]) => originsIn(item))
    case 'default':
      return [...originsIn(source.source), ...originsIn(source.otherwise)]
    default:
      return source.value === undefined ? [] : [{ kind: 'literal', text: shownValue(source.value), step: null }]
  }
}

const pathOrigin = (path: Path): ParameterOrigin => {
  const text = clip(path.text)
  if (callbackIn(path).length > 0) return { kind: 'env', text, step: null }
  const { root } = path
  return root === 'init_params' || root === 'env'
    ? { kind: root, text, step: null }
    : { kind: 'step', text, step: root }
}

const shownValue = (value: unknown): string => clip(typeof value === 'string' ? value : JSON.stringify(value))

const clip = (text: string): string => (text.length > shownCharacters ? `${text.slice(0, shownCharacters - 1)}…` : text)
