import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { datasetsContract } from './contract.ts'

/** Empty lists in the shape that clients read: this server stores no datasets. */
export const datasetsRoutes = (): Route[] =>
  implement(datasetsContract, {
    listDatasets: async ({ query }) => {
      if (query.skip < 0 || query.limit < 0) {
        throw new AppError('bad_request', 'Offset and limit must be non-negative')
      }
      return []
    },
    searchDatasets: async () => ({ hits: [] }),
  })
