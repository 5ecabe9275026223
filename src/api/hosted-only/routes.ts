import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { hostedOnlyContract } from './contract.ts'

const noAccounts = async (): Promise<never> => {
  throw new AppError('not_supported', 'This server has no user accounts, so provider accounts cannot be connected', {
    hint: "Set a key of the provider in the collection's environment, or send it with a run as secret_params.",
  })
}

const noDemo = async (): Promise<never> => {
  throw new AppError(
    'not_found',
    'The demo is not enabled on this server. Run a task of your own instead: POST /api/v1/run/{collection}/{task}',
  )
}

const noSignUp = async (): Promise<never> => {
  throw new AppError(
    'not_found',
    'Sign-up is not enabled on this server. Ask its operator for an API key: POST /api/v1/api-keys creates one',
  )
}

/** Operations of the hosted service that clients call and a self-hosted server cannot carry out. */
export const hostedOnlyRoutes = (): Route[] =>
  implement(hostedOnlyContract, {
    listConnectedAccounts: async () => [],
    linkConnectedAccount: noAccounts,
    beginConnectedAccount: noAccounts,
    runDemo: noDemo,
    getDemoStatus: noDemo,
    getDemoReport: noDemo,
    signUpByEmail: noSignUp,
  })
