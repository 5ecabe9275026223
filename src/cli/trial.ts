import { AppError } from '../lib/errors.ts'
import type { TrialLeft } from '../model/collections/trial.ts'
import { providerKeyNames } from '../model/gateway/provider-keys.ts'
import type { Session } from './session.ts'

/**
 * The client's side of the trial rule: keys are borrowed when the trial is active and neither the collection nor the
 * run brings a key. `given` are the names of the run's own secrets.
 */
export const mayUseTrial = async (
  { call, client }: Session,
  collection: string,
  given: readonly string[],
): Promise<boolean> => {
  const trial = (await call('getTrial', { params: { collection } }).catch((error) => {
    // the following request reports the error better
    if (error instanceof AppError && error.status === 404) return { active: false }
    throw error
  })) as { active: boolean }
  if (!trial.active) return false
  const { environment_variables: variables } = await client.getEnvironment({ params: { collection } })
  return !providerKeyNames.some((name) => given.includes(name) || Object.hasOwn(variables, name))
}

/** Describes the used part of the trial, with a warning when it is nearly used up. */
export const trialText = (trial: TrialLeft): string => {
  const line = `Trial run ${trial.runs_used}/${trial.runs_limit} -- ${trial.minutes_remaining} minutes remaining`
  return trial.runs_remaining <= 2
    ? `${line}\nThe trial is nearly used up: add a key of your own with jetty env set <collection> OPENAI_API_KEY`
    : line
}
