import { implement, type Route } from '../../http/implement.ts'
import { runbooksContract } from './contract.ts'

export const runbooksRoutes = (): Route[] =>
  implement(runbooksContract, {
    validateRunbook: async ({ body }) => {
      const { validateRunbook } = await import('../../runbooks/validate.ts') // with a parser that few calls need
      return validateRunbook(body.content, body.level)
    },
  })
