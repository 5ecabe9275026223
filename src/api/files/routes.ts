import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { invalidField } from '../../lib/errors.ts'
import { coveredIds, covers, type Identity } from '../../model/collections/identity.ts'
import { findFile, listFiles } from '../../store/files/files.ts'
import { deleteUpload, findUpload, listUploads, type UploadRow } from '../../store/files/uploads.ts'
import { removeNow } from '../../store/objects/removal.ts'
import { filesContract } from './contract.ts'
import { listedFile } from './listed-file.ts'
import { fileNotFound, type ReadableObjects, serveFile } from './serve.ts'
import { collectionNamed, type StoreUploadDeps, storeUpload } from './store-upload.ts'

const fileObject = (row: Pick<UploadRow, 'id' | 'size' | 'created_at' | 'name' | 'purpose'>) => ({
  id: row.id,
  object: 'file' as const,
  bytes: row.size,
  created_at: Math.floor(row.created_at.getTime() / 1000),
  filename: row.name,
  purpose: row.purpose,
})

interface FilesDeps extends StoreUploadDeps {
  objects: ReadableObjects & { remove(ids: string[]): Promise<void> }
}

export const filesRoutes = (deps: FilesDeps): Route[] => {
  const { database, objects, findCollection } = deps

  /** Finds an upload. Unknown and foreign ids get the same error. */
  const get = async (id: string, identity: Identity): Promise<UploadRow> => {
    const row = /^file-[0-9a-f]{32}$/.test(id) ? await findUpload(database, id) : undefined
    if (!row || !covers(identity, row.collection_id)) throw fileNotFound()
    return row
  }

  return implement(filesContract, {
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

    uploadFile: async (call) => {
      const { collection, uploadId, uploads, first } = await storeUpload(deps, call, 'file')
      return {
        path: first.path,
        file_path: first.path,
        file_paths: uploads.map((upload) => upload.path),
        upload_id: uploadId,
        filename: first.name,
        size: first.size,
        content_type: first.contentType,
        collection: collection.name,
        id: first.id,
      }
    },

    uploadSandboxFiles: async (call) => {
      const { uploadId, uploads } = await storeUpload(deps, call, 'files')
      return { upload_id: uploadId, file_paths: uploads.map((upload) => upload.path), count: uploads.length }
    },

    createFile: async (call) => {
      if (call.files.length > 1) {
        throw invalidField(
          ['body', 'file'],
          'Only one file is allowed; /api/v1/sandbox/upload accepts several',
          'too_many',
        )
      }
      const { first, created } = await storeUpload(deps, call, 'file')
      return fileObject({ ...first, created_at: created, purpose: call.body.purpose })
    },

    listUploads: async ({ query, identity }) => {
      const collection = query.collection ? await collectionNamed(deps, query.collection, identity) : undefined
      const ids = collection ? [collection.id] : coveredIds(identity)
      const after = query.after ? await findUpload(database, query.after) : undefined
      if (query.after && !(after && covers(identity, after.collection_id))) {
        throw invalidField(['query', 'after'], 'There is no file with this id; start again without the parameter after')
      }
      const page = { below: after?.number ?? Number.MAX_SAFE_INTEGER, limit: query.limit + 1 }
      const rows = await listUploads(database, ids, page)
      const data = rows.slice(0, query.limit).map(fileObject)
      return {
        object: 'list',
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: rows.length > query.limit,
      }
    },

    getUpload: async ({ params, identity }) => fileObject(await get(params.id, identity)),

    downloadUpload: async ({ params, identity, method, headers }) =>
      serveFile(objects, await get(params.id, identity), { method, headers }, false),

    deleteUpload: async ({ params, identity, note }) => {
      const row = await get(params.id, identity)
      const [name = ''] = row.path.split('/', 1)
      note({ target: row.path, collections: [{ id: row.collection_id, name }] })
      await removeNow(objects, row.object) // before the row: what fails here can be asked for again
      if (!(await deleteUpload(database, row.path))) throw fileNotFound()
      return { id: row.id, object: 'file', deleted: true }
    },
  })
}
