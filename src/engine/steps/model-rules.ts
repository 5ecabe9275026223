import type { ActivityContext, StepModels } from '../../activities/activity.ts'
import type { ModelCaller, ModelUsage } from '../../model/gateway/chat.ts'
import { AwaitsBatch } from '../../model/gateway/collected-call.ts'
import type { ModelCalls } from '../../model/gateway/model-calls.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import { type CallCost, makeSpender } from '../../store/calls/budget.ts'
import { type CallGuard, makeCallGuard } from '../../store/calls/call-guard.ts'
import { makeSettingsReader } from '../../store/collections/collections.ts'
import type { Queries } from '../../store/database/database.ts'
import type { StepCollector } from './economy.ts'
import type { StepRun } from './step-run.ts'
import type { StepSide } from './step-side.ts'

/** The rules of collections for calls to models and hosts, and the cost of those calls. */
export interface ModelRules {
  settingsOf: ReturnType<typeof makeSettingsReader>
  guard: CallGuard
  spend(cost: CallCost): Promise<void>
  /** The only hosts that steps of a collection may reach; undefined: every public one. */
  allowedHosts(collectionId: number): Promise<readonly string[] | undefined>
}

export const makeModelRules = (queries: Queries): ModelRules => {
  const settingsOf = makeSettingsReader(queries)
  return {
    settingsOf,
    guard: makeCallGuard(queries),
    spend: makeSpender(queries),
    allowedHosts: async (collectionId) => (await settingsOf(collectionId)).allowed_hosts ?? undefined,
  }
}

type Warn = ActivityContext['warn']

/** The caller that a step is to the providers of models: its keys, and what its collection allows. */
export const callerOf = async (
  { rules }: { rules: ModelRules },
  run: Pick<StepRun, 'key' | 'collectionId' | 'environment'>,
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
  isCharged?: true
  provider: string
  model: string
  usage?: ModelUsage | null
  cost_usd: number | null
}

/** The models for one step: called with the keys of its run, within the rules of its collection, and charged to it. */
export const stepModels = (
  deps: { models: ModelCalls; rules: ModelRules },
  run: Pick<StepRun, 'key' | 'collectionId' | 'taskId' | 'environment'>,
  signal: () => AbortSignal,
  side: StepSide,
  warn: Warn,
  room?: ModelCaller['room'],
  collect?: StepCollector,
): StepModels => {
  const { models, rules } = deps
  const caller = () => callerOf(deps, run, signal, warn, room)
  /** Resolves when the cost is on disk: the budget check of the next call sees it, in any process. */
  const paid = async <Answer extends Paid>(answer: Answer): Promise<Answer> => {
    const { provider, usage, cost_usd: usd } = answer
    const tokens = usage?.total_tokens ?? 0
    side.usage = addCallUsage(side.usage, usage, usd)
    const isReal = provider !== 'scripted' && !answer.isCharged
    if (isReal && (usd !== null || tokens > 0)) {
      const { collectionId, taskId, key: runKey } = run
      await rules.spend({ collectionId, taskId, model: `${provider}/${answer.model}`, runKey, usd, tokens })
    }
    return answer
  }
  /** A wire may wrap what it was thrown, so the collector is asked. */
  const collected: StepModels['chat'] = async (request, options) => {
    try {
      return await models.chat(request, { ...(await caller()), collect }, options)
    } catch (error) {
      throw collect?.isWaiting ? new AwaitsBatch() : error
    }
  }
  return {
    chat: async (request, options) =>
      paid(await (collect ? collected(request, options) : models.chat(request, await caller(), options))),
    embed: async (request, options) => paid(await models.embed(request, await caller(), options)),
    image: async (request, options) => paid(await models.image(request, await caller(), options)),
    predict: async (request, options) => paid(await models.predict(request, await caller(), options)),
    uploadInput: async (file, options) => models.uploadInput(file, await caller(), options),
  }
}
