import { implement, type Route } from '../../http/implement.ts'
import { modelsContract } from './contract.ts'

/** No trained model can be made here: the lists say so in the shape that clients read. */
export const modelsRoutes = (): Route[] =>
  implement(modelsContract, {
    listAllModels: async () => [],
    listModels: async () => [],
    searchModels: async () => ({ hits: [] }),
  })
