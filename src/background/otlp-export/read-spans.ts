import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { parseTrace, type TraceSampler } from '../../lib/text/trace-context.ts'
import { shapes } from '../../model/gateway/shape.ts'
import { callTask, getOwnTask } from '../../model/runs/own-tasks.ts'
import type { Queries } from '../../store/database/database.ts'
import { stepCallsAfter } from '../../store/runs/step-calls.ts'
import { stepValues } from '../../store/runs/step-records.ts'
import {
  type EndedRun,
  type EndedStep,
  type ExportCursor,
  endedRuns,
  endedSteps,
  parametersOfRun,
  workflowsOf,
} from '../../store/trace-exports.ts'
import type { GenAiOperation } from '../../traces/genai-attributes.ts'
import { callSpan, type OtlpSpan, type RunOfSpan, runSpan, stepSpan, traceIdOfRun } from '../../traces/run-spans.ts'

export interface SpanSource {
  database: Queries
  /** What an activity does by the conventions for GenAI; undefined for the others. */
  operationOf(activity: string): GenAiOperation | undefined
  /** Decides which traces are sent. */
  sampler: TraceSampler
  /** The collection whose runs are sent; null: all of them. */
  collectionId: number | null
  /** Characters of a content in a span; 0: spans have no contents. */
  contentCharacters: number
}

/** A span, and how far the export has come once it is sent. */
interface SentSpan {
  span: OtlpSpan
  after: ExportCursor
}

/** What the export needs to know of a workflow. */
interface KnownWorkflow {
  /** Whether runs with it record calls of the gateway. */
  isCall: boolean
  steps: ReadonlyMap<string, { activity: string | undefined; hasTools: boolean }>
}

/** Runs and steps that are read at once. */
const runsAtOnce = 64
const stepsAtOnce = 256
/** Steps whose values are read at once, and characters of each value that are looked at: a few MiB together. */
const valuesAtOnce = 16
const valueCharacters = 64 * 1024
const callsAtOnce = 100
const mostWorkflows = 256

const callWorkflows = new Set(shapes.map((shape) => getOwnTask(callTask(shape)).workflow))

const readWorkflow = (text: string): KnownWorkflow => {
  const configs = parsedObject(text)?.step_configs
  const steps = Object.entries(isObject(configs) ? configs : {}).map(([name, config]) => {
    const { activity, tools } = isObject(config) ? config : {}
    return [
      name,
      { activity: typeof activity === 'string' ? activity : undefined, hasTools: Array.isArray(tools) },
    ] as const
  })
  return { isCall: callWorkflows.has(text), steps: new Map(steps) }
}

const unknownWorkflow: KnownWorkflow = { isCall: false, steps: new Map() }

/** Makes a reader of workflows that remembers the last ones. */
const makeWorkflows = (database: Queries) => {
  const known = makeLru<string, KnownWorkflow>(mostWorkflows)
  return async (hashes: readonly string[]): Promise<(hash: string) => KnownWorkflow> => {
    const here = new Map<string, KnownWorkflow>()
    const missing = new Set<string>()
    for (const hash of hashes) {
      const found = known.get(hash)
      if (found) here.set(hash, found)
      else missing.add(hash)
    }
    for (const { hash, workflow } of missing.size > 0 ? await workflowsOf(database, [...missing]) : []) {
      const read = readWorkflow(workflow)
      known.set(hash, read)
      here.set(hash, read)
    }
    return (hash) => here.get(hash) ?? unknownWorkflow
  }
}

const groupedBy = <Row>(rows: readonly Row[], keyOf: (row: Row) => string): ReadonlyMap<string, Row[]> => {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group) group.push(row)
    else groups.set(keyOf(row), [row])
  }
  return groups
}

/** Name of a step in its workflow: a loop has one for each turn. */
const configName = ({ name, turn }: EndedStep): string => (turn === null ? name : name.slice(0, -`__${turn}`.length))

/** Makes the function that reads the spans of runs that have ended, in the order in which they are sent. */
export const makeSpanReader = (source: SpanSource) => {
  const { database, operationOf, sampler, collectionId, contentCharacters } = source
  const workflows = makeWorkflows(database)
  const isOpen = contentCharacters > 0

  const toRun = async (row: EndedRun, { isCall }: KnownWorkflow): Promise<RunOfSpan> => ({
    key: row.id,
    depth: row.depth,
    trace: row.trace_context === null ? undefined : parseTrace(row.trace_context),
    name: row.name,
    trajectoryId: row.trajectory_id,
    status: row.status,
    error: row.error,
    author: row.author,
    startMs: row.created_at.getTime(),
    endMs: row.ended_at.getTime(),
    isCall,
    initParams: isOpen ? ((await parametersOfRun(database, row.id, valueCharacters))?.text ?? null) : null,
  })

  const workOf = (step: EndedStep, workflow: KnownWorkflow) => {
    const { activity, hasTools = false } = workflow.steps.get(configName(step)) ?? {}
    const known = activity === undefined ? undefined : operationOf(activity)
    const operation = hasTools ? 'invoke_agent' : (known ?? (step.usage === null ? undefined : 'chat'))
    return { activity, operation, hasCalls: hasTools } as const
  }

  /** The spans of a step: its own, and those of its calls. `from` is the first call that is not sent; null: nor is the step. */
  async function* spansOfStep(
    { run, workflow, step, from }: { run: RunOfSpan; workflow: KnownWorkflow; step: EndedStep; from: number | null },
    values: { inputs: string | null; outputs: string | null } | undefined,
    position: number,
  ): AsyncGenerator<SentSpan> {
    const { seq } = step
    const work = workOf(step, workflow)
    const at = { position, run_id: run.key, step: seq }
    const next = { position, run_id: run.key, step: seq + 1, call: null }
    if (from === null) {
      const span = stepSpan(
        run,
        {
          ...{ ...work, seq, name: step.name, status: step.status, attempt: step.attempt, isReused: step.is_reused },
          ...{ error: step.error, usage: step.usage, inputs: values?.inputs ?? null, outputs: values?.outputs ?? null },
          request: run.isCall ? run.initParams : null,
          startMs: step.started_at.getTime(),
          endMs: step.ended_at?.getTime() ?? null,
        },
        contentCharacters,
      )
      yield { span, after: work.hasCalls ? { ...at, call: 0 } : next }
    }
    for (let after = (from ?? 0) - 1, more = work.hasCalls; more; ) {
      const page = await stepCallsAfter(database, { runKey: run.key, seq, after, limit: callsAtOnce })
      for (const { n, at: ended, call } of page.calls) {
        const span = callSpan(run, { seq, n, atMs: ended.getTime(), call }, contentCharacters)
        if (span) yield { span, after: { ...at, call: n + 1 } }
        after = n
      }
      more = page.hasMore
    }
  }

  /** Values of those steps whose spans need them. */
  const valuesOf = async (steps: readonly EndedStep[], workflow: KnownWorkflow) => {
    const wanted = steps.filter((step) => isOpen || workOf(step, workflow).operation !== undefined)
    const rows = wanted.map(({ run_id: runKey, seq }) => ({
      ...{ runKey, seq, inputs: valueCharacters, outputs: valueCharacters },
    }))
    const values = rows.length > 0 ? await stepValues(database, rows) : []
    return new Map(values.map((value) => [value.seq, value]))
  }

  /** The spans of steps of one run, from a cursor in it on. */
  async function* spansOfSteps(
    { run, workflow, position }: { run: RunOfSpan; workflow: KnownWorkflow; position: number },
    steps: readonly EndedStep[],
    begun: ExportCursor | undefined,
  ): AsyncGenerator<SentSpan> {
    for (let at = 0; at < steps.length; at += valuesAtOnce) {
      const some = steps.slice(at, at + valuesAtOnce)
      const values = await valuesOf(some, workflow)
      for (const step of some) {
        const from = step.seq === begun?.step ? begun.call : null
        yield* spansOfStep({ run, workflow, step, from }, values.get(step.seq), position)
      }
    }
  }

  /** The spans behind a cursor, of runs that ended with a change number up to `until`, in order. */
  return async function* spansAfter(from: ExportCursor, until: number): AsyncGenerator<SentSpan> {
    let at = from
    for (;;) {
      const rows = await endedRuns(database, { after: at.position, until, limit: runsAtOnce, collectionId })
      if (rows.length === 0) return
      const workflowOf = await workflows(rows.map(({ definition }) => definition))
      const begun = rows[0]?.id === at.run_id ? at : undefined
      const runs = new Map<string, RunOfSpan>()
      for (const row of rows) {
        const run = await toRun(row, workflowOf(row.definition))
        if (sampler(traceIdOfRun(run), run.trace)) runs.set(row.id, run)
      }
      const runKeys = [...runs.keys()]
      const steps = await endedSteps(database, {
        runKeys,
        from: runKeys.map((key) => (key === begun?.run_id ? begun.step : 0)),
        limit: stepsAtOnce,
      })
      const byRun = groupedBy(steps, ({ run_id }) => run_id)
      /** Of this run more steps may follow, and of those after it none were read. */
      const last = steps.length === stepsAtOnce ? steps.at(-1) : undefined
      for (const row of rows) {
        const run = runs.get(row.id)
        const started = row.id === begun?.run_id ? begun : undefined
        const { position } = at
        if (run && !started) {
          const span = runSpan(run, contentCharacters)
          yield { span, after: { position, run_id: run.key, step: 0, call: null } }
        }
        const workflow = workflowOf(row.definition)
        if (run) yield* spansOfSteps({ run, workflow, position }, byRun.get(row.id) ?? [], started)
        if (last?.run_id === row.id) {
          at = { position, run_id: row.id, step: last.seq + 1, call: null }
          break
        }
        at = { position: row.changed, run_id: null, step: 0, call: null }
      }
    }
  }
}

type ReadSpans = ReturnType<typeof makeSpanReader>

/** What one request to the collector may carry. */
export interface BatchLimits {
  spans: number
  bytes: number
}

/** Spans for one request, and how far the export has come with them. */
export interface Batch {
  spans: OtlpSpan[]
  after: ExportCursor
}

/** Collects the next spans for one request. It has none when nothing is left. One span fits whatever its size. */
export const nextBatch = async (
  read: ReadSpans,
  from: ExportCursor,
  until: number,
  limits: BatchLimits,
): Promise<Batch> => {
  const spans: OtlpSpan[] = []
  let bytes = 0
  let reached = from
  for await (const { span, after } of read(from, until)) {
    const size = JSON.stringify(span).length
    if (spans.length > 0 && bytes + size > limits.bytes) return { spans, after: reached }
    spans.push(span)
    bytes += size
    reached = after
    if (spans.length >= limits.spans) return { spans, after: reached }
  }
  return { spans, after: { position: until, run_id: null, step: 0, call: null } }
}
