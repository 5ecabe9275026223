import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { inactiveTrial } from '../../model/trial.ts'
import { trialContract } from './contract.ts'

/** This server lends no provider keys, so that no trial ever begins. */
export const trialRoutes = (): Route[] =>
  implement(trialContract, {
    getTrial: async () => inactiveTrial,
    activateTrial: async () => {
      throw new AppError('bad_request', 'Trial keys are not available on this server', {
        hint: "Put a key of the provider into the collection's environment, or send it with a run as secret_params.",
      })
    },
  })
