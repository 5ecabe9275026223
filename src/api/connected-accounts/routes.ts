import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { connectedAccountsContract } from './contract.ts'

const refuse = async (): Promise<never> => {
  throw new AppError('not_supported', 'This server has no user accounts, so provider accounts cannot be connected', {
    hint: "Set a key of the provider in the collection's environment, or send it with a run as secret_params.",
  })
}

/** This server has no user accounts, so nothing is connected. */
export const connectedAccountsRoutes = (): Route[] =>
  implement(connectedAccountsContract, {
    listConnectedAccounts: async () => [],
    linkConnectedAccount: refuse,
    beginConnectedAccount: refuse,
  })
