import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { invalidField } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { findFile, listFiles } from '../../store/files/files.ts'
import { filesContract } from './contract.ts'
import { listedFile } from './listed-file.ts'
import { fileNotFound, type ReadableObjects, serveFile } from './serve.ts'

export interface FilesDeps {
  database: Database
  objects: ReadableObjects
  findCollection(name: string): Promise<FoundCollection | undefined>
}

export const filesRoutes = ({ database, objects, findCollection }: FilesDeps): Route[] =>
  implement(filesContract, {
    downloadFile: async ({ params, collection, query, method, headers }) => {
      const [, ...rest] = params.path.split('/')
      const file = await findFile(database, [collection.name, ...rest].join('/')) // however the caller writes the name
      if (!file || file.collection_id !== collection.id) throw fileNotFound()
      return serveFile(objects, file, { method, headers }, query.inline === '1')
    },

    listFiles: async ({ query, identity }) => {
      const [first = '', ...rest] = query.prefix.replace(/\/$/, '').split('/')
      if ([first, ...rest].some((part) => part === '' || part === '.' || part === '..')) {
        throw invalidField(
          ['query', 'prefix'],
          'The prefix must be a path that starts with a collection, such as acme/echo',
        )
      }
      const collection = coveredOnly(identity, await findCollection(first))
      if (!collection) throw collectionNotFound()
      const prefix = [collection.name, ...rest].join('/') // paths have the name as it is written
      const rows = await listFiles(database, collection.id, prefix, query.limit)
      return { files: rows.map(listedFile) }
    },
  })
