import { AppError } from '../../lib/errors.ts'
import type { ModelCalls, NamedModel } from '../../model/gateway/model-calls.ts'
import { reservedStepNames } from '../../model/workflows/workflow.ts'
import type { Environment } from '../environment/environment.ts'
import { type Binding, readsOf } from '../program/bindings.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import type { ModelRules } from '../steps/model-rules.ts'
import { givenBy, type Scope } from '../steps/resolve.ts'

export interface ModelCheckDeps {
  models: Pick<ModelCalls, 'check'>
  rules: Pick<ModelRules, 'settingsOf'>
}

/** A run before its first step. */
interface NewRunOfProgram {
  program: Program
  collectionId: number
  initParams: Record<string, unknown>
  environment: Environment
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined

const readsNoStep = (binding: Binding): boolean =>
  readsOf(binding).every(({ root }) => reservedStepNames.includes(root))

/** The model a step will call; undefined when earlier steps determine it. */
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

const refusalOf = (where: string, { code, message, hint }: AppError): AppError =>
  new AppError(code, `${where}: ${message}`, hint === undefined ? {} : { hint })

/**
 * Refuses a run whose steps would call a model that no provider serves, as far as that is known before the first step.
 * Otherwise it would fail after earlier steps were paid for. Throws `model_unavailable` with the name of the step.
 */
export const checkModels = (deps: ModelCheckDeps, run: NewRunOfProgram): Promise<void> =>
  checkAll(deps, run, [run.initParams], ({ name }) => `Step '${name}'`)

/** Checks runs of one program, each with its parameters. Checks every model once. Names the item too. */
export const checkModelsOfAll = (
  deps: ModelCheckDeps,
  run: Omit<NewRunOfProgram, 'initParams'>,
  items: readonly Record<string, unknown>[],
): Promise<void> =>
  checkAll(
    deps,
    run,
    items.map((item) => ({ ...run.program.initParams, ...item })),
    ({ name }, index) => `Item ${index}: step '${name}'`,
  )

const checkAll = async (
  { models, rules }: ModelCheckDeps,
  { program, collectionId, environment }: Omit<NewRunOfProgram, 'initParams'>,
  runs: readonly Record<string, unknown>[],
  whereOf: (step: ProgramStep, index: number) => string,
): Promise<void> => {
  const { fallback_models: fallbacks } = await rules.settingsOf(collectionId)
  if (fallbacks?.length) return // a fallback model may answer
  const caller = { env: environment.get, lent: environment.lent }
  const known = new Set<string>()
  for (const [index, initParams] of runs.entries()) {
    const scope: Scope = { initParams, env: environment.get, step: () => undefined }
    for (const step of program.askingSteps) {
      const named = namedBy(step, scope)
      const name = named && JSON.stringify(named)
      if (!named || name === undefined || known.has(name)) continue
      known.add(name)
      await models.check(named, caller).catch((error) => {
        throw error instanceof AppError ? refusalOf(whereOf(step, index), error) : error
      })
    }
  }
}
