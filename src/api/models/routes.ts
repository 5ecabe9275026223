import { implement, type Route } from '../../http/implement.ts'
import { modelsContract } from './contract.ts'

/** Empty lists in the shape that clients read: this server stores no trained models. */
export const modelsRoutes = (): Route[] =>
  implement(modelsContract, {
    listAllModels: async () => [],
    listModels: async () => [],
    searchModels: async () => ({ hits: [] }),
  })
