import type { Trajectory } from '../../model/runs/trajectory.ts'

/** What a trace does not say, why that matters, and how its sender says it. */
export interface Finding {
  missing: 'calls' | 'model' | 'tokens' | 'cost' | 'parent' | 'messages' | 'service' | 'user'
  /** How many spans it concerns. */
  spans: number
  message: string
  remedy: string
}

type Library = 'otel' | 'openinference' | 'ai' | 'langfuse' | 'traceloop' | 'claude-code' | 'codex'

/** Libraries by the names of their scopes. */
const scopes: readonly [RegExp, Library][] = [
  [/openinference/i, 'openinference'],
  [/^ai$/, 'ai'],
  [/langfuse/i, 'langfuse'],
  [/traceloop/i, 'traceloop'],
  [/claude_code/i, 'claude-code'],
  [/codex/i, 'codex'],
]

/** The setting that sends what is missing, by library; `otel` stands for every other one. */
const remedies: Record<Exclude<Finding['missing'], 'parent'>, Partial<Record<Library, string>> & { otel: string }> = {
  calls: {
    otel: 'Add a library that traces model calls, such as @arizeai/openinference-instrumentation-openai, or set gen_ai.operation.name and gen_ai.request.model on the span of the call.',
    traceloop: 'Pass the client to traceloop.initialize: instrumentModules: { openAI: OpenAI }.',
    langfuse: 'Wrap the client: observeOpenAI(new OpenAI()) of @langfuse/openai.',
    ai: 'Set experimental_telemetry: { isEnabled: true } on each call, not only on some.',
    'claude-code': 'Set CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1 beside OTEL_TRACES_EXPORTER=otlp.',
  },
  model: {
    otel: 'Set gen_ai.request.model or gen_ai.response.model on the span of the call.',
    langfuse: 'Pass model to the generation: startObservation(name, { model }, { asType: "generation" }).',
  },
  tokens: {
    otel: 'Set gen_ai.usage.input_tokens and gen_ai.usage.output_tokens; streams of OpenAI count only with stream_options: { include_usage: true }.',
    openinference: 'Stream with stream_options: { include_usage: true }: OpenAI counts no streams otherwise.',
    traceloop:
      'Stream with stream_options: { include_usage: true }, or set enrichTokens: true in traceloop.initialize.',
    langfuse: 'Pass usageDetails to the generation, or stream with stream_options: { include_usage: true }.',
    ai: 'Make the provider with includeUsage: true (createOpenAICompatible), or set stream_options of the call.',
  },
  cost: {
    otel: 'Set gen_ai.usage.cost in US dollars, or name provider and model as the public price list does: openai and gpt-4o-mini.',
    langfuse: 'Pass costDetails: { total } to the generation, or name the model as its provider does.',
    openinference: 'Set llm.cost.total, or name provider and model as the public price list does.',
  },
  messages: {
    otel: 'Set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, if the contents may be recorded.',
    openinference:
      'Leave OPENINFERENCE_HIDE_INPUTS and OPENINFERENCE_HIDE_OUTPUTS unset, if the contents may be recorded.',
    traceloop: 'Leave TRACELOOP_TRACE_CONTENT unset, or set it to true, if the contents may be recorded.',
    ai: 'Set recordInputs and recordOutputs of experimental_telemetry to true, if the contents may be recorded.',
    langfuse: 'Pass input and output to the generation.',
    'claude-code': 'Set OTEL_LOG_USER_PROMPTS=1 and OTEL_LOG_TOOL_CONTENT=1, if the contents may be recorded.',
  },
  service: {
    otel: 'Set OTEL_SERVICE_NAME, or jetty.task on a span: it names the task of the run.',
    traceloop: 'Pass appName to traceloop.initialize: it names the task of the run.',
  },
  user: {
    otel: 'Set user.id and session.id on a span: they become the labels user and session.',
    ai: 'Pass metadata: { userId, sessionId } in experimental_telemetry.',
    langfuse: 'Call propagateAttributes({ userId, sessionId }, …) around the work.',
    traceloop: 'Call traceloop.withAssociationProperties({ user_id, session_id }, …) around the work.',
  },
}

const manyParents =
  'Export all services of the trace to this collection, and do not sample their spans apart (OTEL_TRACES_SAMPLER=parentbased_always_on).'
const lonely =
  'Call register() of the tracer provider, which installs the context manager, and make the call inside of startActiveSpan. A call that belongs to nothing needs nothing.'

type Step = Trajectory['steps'][string]

const libraryOf = (steps: readonly Step[]): Library => {
  for (const { span } of steps) {
    const known = span && scopes.find(([pattern]) => pattern.test(span.scope))
    if (known) return known[1]
  }
  return 'otel'
}

const plural = (count: number, one: string): string => (count === 1 ? `1 ${one}` : `${count} ${one}s`)

const isUnnamed = (task: string): boolean => task === '_traces' || task.startsWith('unknown_service')

/** Says what the trace of a run does not tell, the worst first. Empty for one that tells everything. */
export const diagnoseTrace = (run: Pick<Trajectory, 'task' | 'steps' | 'labels'>): Finding[] => {
  const steps = Object.values(run.steps).filter(({ span }) => span)
  const ids = new Set(steps.map(({ span }) => span?.id))
  const calls = steps.filter(({ activity }) => activity === 'chat' || activity === 'embeddings')
  // A call around another one counts nothing by itself.
  const around = new Set(calls.map(({ span }) => span?.parent))
  const counted = calls.filter(({ span }) => !around.has(span?.id ?? null))
  const unfit: [Exclude<Finding['missing'], 'parent'>, Step[], (count: number) => string][] = [
    ['calls', calls.length === 0 ? steps : [], () => 'No span is a model call: the run has no model, tokens or cost'],
    [
      'model',
      calls.filter(({ inputs }) => typeof inputs.model !== 'string'),
      (n) => `${plural(n, 'call')} without a model`,
    ],
    ['tokens', counted.filter(({ usage }) => !usage), (n) => `${plural(n, 'call')} without tokens`],
    [
      'cost',
      counted.filter(({ usage, cost_usd }) => usage && cost_usd === null),
      (n) => `${plural(n, 'call')} without a cost: none is sent, and the price list does not know the model`,
    ],
    [
      'messages',
      calls.filter(({ inputs }) => inputs.messages === undefined && inputs.input === undefined),
      (n) => `${plural(n, 'call')} without messages: it cannot be read or judged`,
    ],
    ['service', isUnnamed(run.task) ? steps : [], () => `No name of the service: the run is of the task ${run.task}`],
    [
      'user',
      run.labels.some(({ key }) => key === 'user' || key === 'session') ? [] : steps,
      () => 'Neither user nor conversation: runs cannot be found by them',
    ],
  ]
  const findings = unfit.flatMap(([missing, concerned, message]): Finding[] => {
    if (concerned.length === 0) return []
    const known = remedies[missing]
    const remedy = known[libraryOf(concerned)] ?? known[libraryOf(steps)] ?? known.otel
    return [{ missing, spans: concerned.length, message: message(concerned.length), remedy }]
  })
  const orphans = steps.filter(({ span }) => span && span.parent !== null && !ids.has(span.parent))
  const isLonely = steps.length === 1 && calls.length === 1 && orphans.length === 0
  if (orphans.length === 0 && !isLonely) return findings
  const parent: Finding = isLonely
    ? { missing: 'parent', spans: 1, message: 'The call is the only span of its trace', remedy: lonely }
    : {
        missing: 'parent',
        spans: orphans.length,
        message: `${plural(orphans.length, 'span')} whose parent has not arrived`,
        remedy: manyParents,
      }
  return [...findings, parent]
}
