import { implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { mostViews, type View, viewNameSchema, viewSchema } from '../../model/view.ts'
import type { Queries } from '../../store/database/database.ts'
import { deleteView, findView, listViews, saveView, type ViewRow } from '../../store/views.ts'
import { serializeRow } from '../serialize-row.ts'
import { viewsContract } from './contract.ts'

export interface ViewsDeps {
  database: Queries
}

const missing = (name: string) => new AppError('not_found', `View '${name}' not found`)

const shown = (row: ViewRow): View => serializeRow(viewSchema, row, { columns: JSON.parse(row.columns) as string[] })

/** The name in a path. Throws a 422 where nothing can be saved under it. */
const nameToSave = (given: string): string => {
  const name = viewNameSchema.safeParse(given)
  if (name.success) return name.data
  throw invalidField(['path', 'name'], name.error.issues[0]?.message ?? 'Expected a short text on one line')
}

export const viewsRoutes = ({ database }: ViewsDeps): Route[] =>
  implement(viewsContract, {
    listViews: async ({ collection }) => ({ views: (await listViews(database, collection.id)).map(shown) }),

    getView: async ({ collection, params }) => {
      const row = await findView(database, collection.id, params.name)
      if (!row) throw missing(params.name)
      return shown(row)
    },

    saveView: async ({ collection, params, body, identity, note }) => {
      const { task = null, query, columns } = body
      const view = { name: nameToSave(params.name), task, query, columns: JSON.stringify(columns) }
      const row = await saveView(database, collection.id, { ...view, author: authorOf(identity) }, mostViews)
      if (!row) {
        throw new AppError('conflict', `Collection '${collection.name}' has ${mostViews} views, and cannot have more`, {
          hint: 'Delete a view first.',
        })
      }
      note({ target: `${collection.name}/${row.name}`, changes: { task, query } })
      return shown(row)
    },

    deleteView: async ({ collection, params }) => {
      if (!(await deleteView(database, collection.id, params.name))) throw missing(params.name)
      return { message: 'View deleted' }
    },
  })
