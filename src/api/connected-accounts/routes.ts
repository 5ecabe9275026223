import { implement, type Route } from '../../http/implement.ts'
import { connectedAccountsContract } from './contract.ts'

/** There are no user accounts here, so that nobody has connected one. */
export const connectedAccountsRoutes = (): Route[] =>
  implement(connectedAccountsContract, { listConnectedAccounts: async () => [] })
