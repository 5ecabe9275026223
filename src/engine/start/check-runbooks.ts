import { AppError } from '../../lib/errors.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import { type RunbookRequest, requestOfRun, runbookRequestSchema } from '../../model/runbooks/runbook-request.ts'
import type { CheckRunbook } from '../../model/runbooks/runbook-run.ts'
import { type CheckScript, languageNames } from '../../model/scripts/script-run.ts'
import { reservedStepNames } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { findFile } from '../../store/files/files.ts'
import type { Environment } from '../environment/environment.ts'
import { readsOf } from '../program/bindings.ts'
import type { ProgramStep } from '../program/program.ts'
import { givenBy, type Scope } from '../steps/resolve.ts'

/** Preflight checks that are skipped while a parameter is unknown until earlier steps have run. */
const looksWithout: Readonly<Record<string, string[]>> = {
  prompt: [],
  files: ['files', 'variables'], // an input file may stand for a required parameter
  template_variables: ['variables'],
  agent_env: [],
}

export interface RunbookCheckDeps {
  database: Queries
  checkRunbook: CheckRunbook
  checkScript: CheckScript
}

/** Collection and task of the runs. */
interface RunHome {
  collectionId: number
  environment: Environment
}

/**
 * Refuses runs before their first step when one of their runbooks or scripts cannot be executed, as far as that is known then.
 * Throws an error with all findings, naming the step.
 */
export const checkRunbooks = async (
  deps: RunbookCheckDeps,
  run: RunHome,
  steps: readonly ProgramStep[],
  runs: readonly Record<string, unknown>[],
): Promise<void> => {
  const isOnlyOne = runs.length * steps.length === 1
  for (const [index, initParams] of runs.entries()) {
    for (const step of steps) {
      const where = `${runs.length > 1 ? `Item ${index}: step` : 'Step'} '${step.name}'`
      const check = step.activity.inSandbox ? checkScript : checkRunbook
      await check(deps, run, step, initParams, where).catch((error) => {
        throw isOnlyOne ? error : namedIn(where, error)
      })
    }
  }
}

/** Adds the step's name to each issue of an error. */
const namedIn = (where: string, error: unknown): unknown => {
  if (!(error instanceof AppError) || !error.issues) return error
  const issues = error.issues.map((issue) => ({ ...issue, msg: `${where}: ${issue.msg}` }))
  return new AppError(error.code, error.message, { ...(error.hint && { hint: error.hint }), issues })
}

const checkRunbook = async (
  deps: RunbookCheckDeps,
  { collectionId, environment }: RunHome,
  step: ProgramStep,
  initParams: Record<string, unknown>,
  where: string,
): Promise<void> => {
  const { request, unknown } = requestOf(step, { initParams, env: environment.get, step: () => undefined }, where)
  if (!request) return
  const place = {
    env: environment.get,
    lent: environment.lent,
    secretParams: environment.secretNames,
    hasFile: async (path: string) => (await findFile(deps.database, path))?.collection_id === collectionId,
  }
  await deps.checkRunbook(request, place, unknown).catch((error) => {
    throw error instanceof AppError ? placed(where, error) : error
  })
}

/** Checks that there is a sandbox with the language of a script, as far as that is known before earlier steps have run. */
const checkScript = async (
  { checkScript: check }: RunbookCheckDeps,
  { environment }: RunHome,
  step: ProgramStep,
  initParams: Record<string, unknown>,
  where: string,
): Promise<void> => {
  const scope: Scope = { initParams, env: environment.get, step: () => undefined }
  const binding = step.bindings.find(({ parameter }) => parameter === 'language')
  const name = binding && isKnownBefore(binding) ? givenBy(binding, scope) : undefined
  const isName = typeof name === 'string' && Object.hasOwn(languageNames, name)
  await check(isName ? { language: languageNames[name as keyof typeof languageNames] } : {}).catch((error) => {
    throw error instanceof AppError ? placed(where, error) : error
  })
}

/** The error with the step that it is about. */
const placed = (where: string, { code, message, hint, issues }: AppError): AppError =>
  new AppError(code, `${where}: ${message}`, { ...(hint && { hint }), ...(issues && { issues }) })

const missingText = ({ bindings }: ProgramStep, parameter: string): string => {
  const paths = bindings.filter((binding) => binding.parameter === parameter).flatMap(readsOf)
  const from = paths.map(({ text }) => text).join(' or ')
  return `${parameter} is required${from && `: ${from}, where it comes from, is not given`}`
}

const isKnownBefore = (binding: ProgramStep['bindings'][number]): boolean =>
  readsOf(binding).every(({ root }) => reservedStepNames.includes(root))

/** Request of a step and the checks that must be skipped; no request when too much is unknown. */
const requestOf = (
  step: ProgramStep,
  scope: Scope,
  where: string,
): { request?: RunbookRequest; unknown: readonly string[] } => {
  const later = step.bindings.filter((binding) => !isKnownBefore(binding)).map(({ parameter }) => parameter)
  if (later.some((parameter) => !looksWithout[parameter])) return { unknown: [] }
  const given = step.bindings
    .filter(isKnownBefore)
    .map((binding) => [binding.parameter, givenBy(binding, scope)])
    .filter(([, value]) => value !== undefined)
  const parsed = runbookRequestSchema.safeParse(Object.fromEntries(given))
  if (!parsed.success) {
    const isGiven = (name: string) => given.some(([parameter]) => parameter === name)
    const issues = parsed.error.issues.map((issue) => {
      const path = issue.path.map(String)
      const missing = path.length === 1 && !isGiven(path[0] as string)
      const text = missing ? missingText(step, path[0] as string) : `${path.join('.')}: ${issueText(issue)}`
      return { loc: ['body', ...path], msg: text, type: missing ? 'missing' : issue.code }
    })
    throw new AppError('invalid', `${where} cannot be carried out: ${issues.map(({ msg }) => msg).join('; ')}`, {
      hint: 'GET /api/v1/step-templates/runbook lists the parameters.',
      issues,
    })
  }
  const request = requestOfRun(parsed.data, scope.initParams)
  return { request, unknown: later.flatMap((parameter) => looksWithout[parameter] ?? []) }
}
