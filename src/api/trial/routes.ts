import { implement, type Route } from '../../http/implement.ts'
import type { Lending } from '../../store/collections/lending.ts'
import { trialContract } from './contract.ts'

export interface TrialDeps {
  lending: Lending
}

export const trialRoutes = ({ lending }: TrialDeps): Route[] =>
  implement(trialContract, {
    getTrial: ({ collection }) => lending.trial(collection.id),
    activateTrial: ({ collection }) => lending.activate(collection.id),
  })
