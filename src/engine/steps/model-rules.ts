import type { ActivityContext, StepModels } from '../../activities/activity.ts'
import type { Queries } from '../../database/database.ts'
import type { ModelCaller, ModelUsage } from '../../model/gateway/chat.ts'
import { type CallCost, makeSpender } from '../../store/calls/budget.ts'
import { type CallGuard, makeCallGuard } from '../../store/calls/call-guard.ts'
import { makeSettingsReader } from '../../store/collections/collections.ts'
import type { EngineContext, LiveRun } from '../context.ts'

/** What collections say about the calls of their steps to the world and to models, and what those have cost. */
export interface ModelRules {
  settingsOf: ReturnType<typeof makeSettingsReader>
  guard: CallGuard
  spend(cost: CallCost): Promise<void>
  /** The only hosts that steps of a run may reach; undefined: every public one. */
  allowedHosts(run: LiveRun): Promise<readonly string[] | undefined>
}

export const makeModelRules = (queries: Queries): ModelRules => {
  const settingsOf = makeSettingsReader(queries)
  return {
    settingsOf,
    guard: makeCallGuard(queries),
    spend: makeSpender(queries),
    allowedHosts: async (run) => (await settingsOf(run.collectionId)).allowed_hosts ?? undefined,
  }
}

type Warn = ActivityContext['warn']

/** Who a step is to the providers of models: its keys, and what its collection allows. */
export const callerOf = async (
  { rules }: EngineContext,
  run: LiveRun,
  signal: () => AbortSignal,
  warn: Warn,
  room?: ModelCaller['room'],
): Promise<ModelCaller> => {
  const { collectionId, key: runKey, environment } = run
  const settings = await rules.settingsOf(collectionId)
  return {
    env: (name) => environment.get(name),
    lent: (name) => environment.lent(name),
    admit: async (call) => rules.guard({ collectionId, runKey, settings }, call),
    allowedHosts: settings.allowed_hosts ?? undefined,
    fallbackModels: settings.fallback_models ?? [],
    onFallback: ({ model, code, message }) =>
      warn(`Model '${model}' could not answer, and the next one was asked: ${message}`, { model, code }),
    room,
    signal: signal(),
  }
}

interface Paid {
  provider: string
  usage?: ModelUsage | null
  cost_usd: number | null
}

/** The models as one step may call them: with the keys of its run, within what its collection allows, and paid for. */
export const stepModels = (
  engine: EngineContext,
  run: LiveRun,
  signal: () => AbortSignal,
  warn: Warn,
  room?: ModelCaller['room'],
): StepModels => {
  const { models, rules } = engine
  const caller = () => callerOf(engine, run, signal, warn, room)
  /** Resolves when the cost is on disk: the next call knows of it, whoever makes it. */
  const paid = async <Answer extends Paid>(answer: Answer): Promise<Answer> => {
    const { usage, cost_usd: usd } = answer
    const tokens = usage?.total_tokens ?? 0
    const isReal = answer.provider !== 'scripted'
    if (isReal && (usd !== null || tokens > 0)) {
      await rules.spend({ collectionId: run.collectionId, runKey: run.key, usd, tokens })
    }
    return answer
  }
  return {
    chat: async (request, options) => paid(await models.chat(request, await caller(), options)),
    embed: async (request, options) => paid(await models.embed(request, await caller(), options)),
    image: async (request, options) => paid(await models.image(request, await caller(), options)),
    predict: async (request, options) => paid(await models.predict(request, await caller(), options)),
    uploadInput: async (file, options) => models.uploadInput(file, await caller(), options),
  }
}
