import { AppError } from '../lib/errors.ts'
import type { NamedModel } from '../model/model-calls.ts'
import { reservedStepNames } from '../model/workflow.ts'
import type { EngineContext, LiveRun } from './context.ts'
import { type Binding, type ProgramStep, readsOf } from './program.ts'
import { givenBy, type Scope } from './resolve.ts'

type Beginning = Pick<LiveRun, 'program' | 'collectionId' | 'initParams' | 'environment'>

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined

const readsNoStep = (binding: Binding): boolean =>
  readsOf(binding).every(({ root }) => reservedStepNames.includes(root))

/** The model that a step will ask; undefined where that is known only once earlier steps have run. */
const namedBy = ({ activity, bindings }: ProgramStep, scope: Scope): NamedModel | undefined => {
  const { asks, parameters } = activity
  const bound = new Map(bindings.map((binding) => [binding.parameter, binding]))
  const names = ['model', 'model_provider', 'api_key'].map((name) => bound.get(name)).filter((one) => one !== undefined)
  if (!asks || !names.every(readsNoStep)) return undefined
  const given = (parameter: string): string | undefined => {
    const binding = bound.get(parameter)
    return textOf(binding ? givenBy(binding, scope) : parameters.shape[parameter]?.safeParse(undefined).data)
  }
  const model = given('model')
  if (model === undefined) return undefined
  return { kind: asks.kind, model, provider: asks.provider ?? given('model_provider'), key: given('api_key') }
}

const refusalOf = ({ name }: ProgramStep, { code, message, hint }: AppError): AppError =>
  new AppError(code, `Step '${name}': ${message}`, hint === undefined ? {} : { hint })

/**
 * Refuses a run before its first step where one of its steps asks a model that nobody serves, as far as that is known
 * by then: it would fail after what came before was paid for. Throws `model_unavailable`, naming the step.
 */
export const checkModels = async ({ models, rules }: EngineContext, run: Beginning): Promise<void> => {
  const { program, collectionId, initParams, environment } = run
  const { fallback_models: fallbacks } = await rules.settingsOf(collectionId)
  if (fallbacks?.length) return // one of those may answer
  const caller = { env: environment.get, lent: environment.lent }
  const scope: Scope = { initParams, env: environment.get, step: () => undefined }
  for (const step of program.askingSteps) {
    const named = namedBy(step, scope)
    if (!named) continue
    await models.check(named, caller).catch((error) => {
      throw error instanceof AppError ? refusalOf(step, error) : error
    })
  }
}
