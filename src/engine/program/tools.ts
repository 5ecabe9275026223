import { z } from 'zod'
import type { Activity, ActivityRegistry } from '../../activities/activity.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Pieces } from '../../lib/slices.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import { splitTaskRef } from '../../model/version-ref.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import { mostTools, type StepTool, stepToolSchema, toolNamePattern } from '../../model/workflows/step-tool.ts'
import { type Binding, bindParameters, parameterIssues, requiredOf } from './bindings.ts'
import { type Finding, question, type Report } from './finding.ts'
import {
  mostReferences,
  type Notes,
  type Roots,
  reference,
  referenceTarget,
  type Source,
  staticValue,
} from './source.ts'

type Schema = Record<string, unknown>

/** Notes of a parameter for forms and workflows, which no model needs. */
const ownNotes = new Set(['aliases', 'missing', 'input', 'language'])

const withoutNotes = (schema: unknown): unknown =>
  isObject(schema) ? Object.fromEntries(Object.entries(schema).filter(([key]) => !ownNotes.has(key))) : schema

const schemas = new WeakMap<Activity, Schema>()

const schemaOf = (activity: Activity): Schema => {
  const known = schemas.get(activity)
  if (known) return known
  const { properties, ...rest } = z.toJSONSchema(activity.parameters, { io: 'input', unrepresentable: 'any' })
  const entries = Object.entries(properties ?? {}).map(([name, one]) => [name, withoutNotes(one)])
  const schema = { ...rest, properties: Object.fromEntries(entries) }
  schemas.set(activity, schema)
  return schema
}

/** Parameters of an activity that a model may set at all: never a credential, and never further tools. */
const settable = (activity: Activity): string[] =>
  Object.keys(activity.parameters.shape).filter(
    (name) => !activity.secret.includes(name) && !(activity.offersTools && name === 'tools'),
  )

/** JSON Schema of some parameters of an activity, as a model gets it. */
const toolSchema = (activity: Activity, names: ReadonlySet<string>): Schema => {
  const { properties, required, $defs } = schemaOf(activity) as {
    properties: Schema
    required?: string[]
    $defs?: Schema
  }
  const needed = (required ?? []).filter((name) => names.has(name))
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => names.has(name))),
    ...(needed.length > 0 && { required: needed }),
    additionalProperties: false,
    ...($defs && { $defs }),
  }
}

/** A tool that a step offers to its model. */
export interface ProgramTool {
  name: string
  description: string
  /** Undefined for a task. */
  activity: Activity | undefined
  /** The task whose run a call starts; undefined for an activity. */
  task: string | undefined
  /** Parameters that the workflow fixes. */
  bindings: Binding[]
  /** Parameters that the model may set; undefined for a task: all that its schema has. */
  settable: ReadonlySet<string> | undefined
  /** JSON Schema of those; undefined for a task that is asked for its own. */
  schema: Record<string, unknown> | undefined
  timeoutSeconds: number | undefined
}

/** The tools of a step, and the parameter that shows them in its inputs. */
interface CompiledTools {
  tools: ProgramTool[]
  binding: Binding | undefined
}

const none: CompiledTools = { tools: [], binding: undefined }

/** Says why an activity is no tool; undefined if it can be one. */
const whyNoTool = ({ steers, carriesOut, inSandbox, startsTask, waits }: Activity): string | undefined => {
  if (startsTask !== undefined) return 'it starts runs. Name the task instead: {"task": "…"}'
  if (waits) return 'it waits'
  if (steers !== undefined) return 'it decides which step is next'
  const isApart = inSandbox || carriesOut !== undefined
  return isApart ? 'it runs in a sandbox. Give it a task of its own: {"task": "…"}' : undefined
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** Compiles the tools of a step. Reports an activity that does not exist or is no tool, and parameters that it refuses. */
export function* compileTools(
  { tools: written, tools_path: byPath }: Record<string, unknown>,
  activities: ActivityRegistry,
  roots: Roots,
  notes: Notes,
): Pieces<CompiledTools> {
  if (byPath !== undefined) {
    notes.report('tools must be written in the workflow: no value may choose what a model can call', {
      key: 'tools_path',
    })
  }
  if (written === undefined || written === null) return none
  if (!Array.isArray(written) || written.length === 0 || written.length > mostTools) {
    notes.report(`tools must be a list of 1 to ${mostTools} tools, such as {"activity": "http_request"}`, {
      key: 'tools',
    })
    return none
  }
  const seen = new Set<string>()
  const tools: ProgramTool[] = []
  const shown: Source[] = []
  for (const [at, one] of written.entries()) {
    const own = toolNotes(notes, at, isObject(one) ? one : {})
    const parsed = stepToolSchema.safeParse(one)
    if (!parsed.success) {
      for (const issue of parsed.error.issues) reportIssue(issue, own)
      continue
    }
    const tool = yield* compileTool(parsed.data, { activities, roots, notes: own })
    if (!tool) continue
    if (seen.has(tool.name)) own.report(`another tool is called '${tool.name}': give one of them a name`)
    seen.add(tool.name)
    tools.push(tool)
    shown.push(shownTool(parsed.data, tool))
  }
  const source: Source = { kind: 'list', items: shown }
  return {
    tools,
    binding: {
      parameter: 'tools',
      key: 'tools',
      source,
      fallback: undefined,
      required: true,
      missing: undefined,
      isLenient: false,
    },
  }
}

const toolMembers = Object.keys(stepToolSchema.shape)
const approvalHint = 'For an approval before each call, name a task that begins with wait_for_approval: {"task": "…"}.'

const reportIssue = (issue: z.core.$ZodIssue, { report, guess }: Notes): void => {
  const place = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') report(`${place.join('.') || 'the tool'}: ${issueText(issue)}`)
  else
    for (const name of issue.keys) {
      const meant = guess(name, toolMembers)
      const hint = /approv/i.test(name) ? approvalHint : `A tool has ${toolMembers.join(', ')}.`
      report(`unknown member '${name}'${question(meant)}`, { meant, hint })
    }
}

/** Notes that say which tool they are about. */
const toolNotes = ({ report, warnings, guess }: Notes, at: number, written: Record<string, unknown>): Notes => {
  const called = [written.name, written.activity, written.task].find(isText) ?? String(at)
  const placed = ({ message, key, ...site }: Finding): Finding => {
    const inside = typeof key === 'string' ? ['config', key] : key === undefined ? [] : ['config', ...key]
    return { ...site, message: `tool '${called}': ${message}`, key: ['tools', String(at), ...inside] }
  }
  const ownReport: Report = (message, site) => {
    const { message: text, ...at } = placed({ ...site, message })
    report(text, at)
  }
  const own: Finding[] = []
  own.push = (...remarks) => warnings.push(...remarks.map(placed))
  return { report: ownReport, fault: ownReport, warnings: own, guess }
}

interface ToolScope {
  activities: ActivityRegistry
  roots: Roots
  notes: Notes
}

function* compileTool(tool: StepTool, scope: ToolScope): Pieces<ProgramTool | undefined> {
  const { report, guess } = scope.notes
  if (isText(tool.activity) === isText(tool.task)) {
    report('expected either activity or task')
    return undefined
  }
  if (isText(tool.task)) return yield* compileTaskTool(tool, tool.task, scope)
  const activity = scope.activities.get(tool.activity ?? '')
  if (!activity && isWorkerActivity(tool.activity ?? '')) {
    report(`${tool.activity} cannot be a tool: a worker carries it out. Give it a task of its own: {"task": "…"}`)
    return undefined
  }
  if (!activity) {
    const meant = guess(tool.activity ?? '', scope.activities.keys())
    report(`there is no activity '${tool.activity}'${question(meant)}`, {
      meant,
      hint: 'GET /api/v1/step-templates lists the activities.',
    })
    return undefined
  }
  const why = whyNoTool(activity)
  if (why) {
    report(`${activity.name} cannot be a tool: ${why}`)
    return undefined
  }
  return yield* compileActivityTool(tool, activity, scope)
}

function* compileActivityTool(tool: StepTool, activity: Activity, { roots, notes }: ToolScope): Pieces<ProgramTool> {
  const { report, guess } = notes
  const bindings = yield* bindParameters(tool.config ?? {}, activity, roots, notes)
  const fixed = new Set(bindings.map(({ parameter }) => parameter))
  for (const { parameter, key, source, fallback } of bindings) {
    if (fallback) report(`${parameter} is given twice: as a value and as a path`, { key })
    const issues = parameterIssues(activity, { parameter, key, source }, guess)
    for (const { message, ...site } of issues) report(message, site)
  }
  if (activity.offersTools && fixed.has('tools')) {
    report('its model cannot call tools of its own. Give it a task: {"task": "…"}', { key: 'tools' })
  }
  const free = settable(activity).filter((name) => !fixed.has(name))
  const listed = Array.isArray(tool.parameters) ? tool.parameters : undefined
  for (const name of listed ?? []) {
    if (!free.includes(name))
      report(`parameters names '${name}', which the model cannot set${question(guess(name, free))}`)
  }
  const names = new Set(listed ? free.filter((name) => listed.includes(name)) : free)
  for (const name of requiredOf(activity)) {
    if (fixed.has(name) || names.has(name)) continue
    report(`parameter '${name}' of ${activity.name} is required: set it in config`)
  }
  return {
    name: tool.name ?? activity.name,
    description: tool.description ?? activity.description,
    activity,
    task: undefined,
    bindings,
    settable: names,
    schema: toolSchema(activity, names),
    timeoutSeconds: tool.timeout_sec,
  }
}

/** Binds a parameter of a task: a name that ends in `_path` is a reference, as in a step. */
const bindInput = (key: string, value: unknown, roots: Roots, { report, warnings }: Notes): Binding => {
  const parameter = referenceTarget(key)
  const own: Report = (message, site) => report(message, { key, ...site })
  const warn: Report = (message, site) => warnings.push({ message, key, ...site })
  const writing = {
    roots,
    report: own,
    warn,
    members: 'known references',
    fillsEnvironment: true,
    keepsTypes: true,
    references: { left: mostReferences },
  } as const
  const source = parameter === undefined ? staticValue(value, writing) : reference(value, writing)
  return {
    parameter: parameter ?? key,
    key,
    source,
    fallback: undefined,
    required: false,
    missing: undefined,
    isLenient: false,
  }
}

function* compileTaskTool(tool: StepTool, task: string, { roots, notes }: ToolScope): Pieces<ProgramTool | undefined> {
  const name = tool.name ?? splitTaskRef(task).task
  if (!toolNamePattern.test(name)) {
    notes.report(`a model cannot call a tool '${name}': give it a name of letters, digits, '_' and '-'`)
    return undefined
  }
  const bindings: Binding[] = []
  const fixed = new Set<string>()
  for (const [key, value] of Object.entries(tool.config ?? {})) {
    const binding = bindInput(key, value, roots, notes)
    if (fixed.has(binding.parameter)) {
      notes.report(`${binding.parameter} is given twice: as a value and as a path`, { key })
    }
    fixed.add(binding.parameter)
    bindings.push(binding)
    yield
  }
  return {
    name,
    description: tool.description ?? `Runs the task ${task} and returns its result.`,
    activity: undefined,
    task,
    bindings,
    settable: Array.isArray(tool.parameters) ? new Set(tool.parameters) : undefined,
    schema: isObject(tool.parameters) ? tool.parameters : undefined,
    timeoutSeconds: tool.timeout_sec,
  }
}

/** A tool in the inputs of its step: as written, with the values of its config. */
const shownTool = (written: StepTool, { name, bindings }: ProgramTool): Source => {
  const { config: _, name: __, ...rest } = written
  const entries = Object.entries(rest).filter(([, value]) => value !== undefined)
  return {
    kind: 'object',
    entries: [
      ['name', { kind: 'value', value: name }],
      ...entries.map(([key, value]): [string, Source] => [key, { kind: 'value', value }]),
      ['config', { kind: 'object', entries: bindings.map(({ parameter, source }) => [parameter, source]) }],
    ],
  }
}
