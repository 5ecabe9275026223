import { randomBytes } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { distinctFileNames } from '../../lib/files/file-names.ts'
import { coveredIds, covers, type FoundCollection, homeOf, type Identity } from '../../model/collections/identity.ts'
import { findCollectionRow } from '../../store/collections/collections.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { sandboxUploadPath } from '../../store/files/storage-path.ts'
import {
  deleteUpload,
  findUpload,
  insertUploads,
  listUploads,
  type NewUpload,
  type UploadRow,
} from '../../store/files/uploads.ts'
import { fileNotFound, type ReadableObjects, serveFile } from '../files/serve.ts'
import { uploadsContract } from './contract.ts'

export interface UploadsDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  objects: ReadableObjects & { remove(ids: string[]): Promise<void> }
  findCollection(name: string): Promise<FoundCollection | undefined>
}

type UploadCall = Call<(typeof uploadsContract)['uploadFile' | 'uploadSandboxFiles' | 'createFile']>
type Place = Pick<FoundCollection, 'id' | 'name'>

const hexId = (): string => randomBytes(16).toString('hex')

const collectionGone = () => new AppError('not_found', 'Collection not found')

const fileMissing = (field: string) =>
  invalidField(
    ['body', field],
    `The request has no file; send it as multipart/form-data, with curl: -F '${field}=@path'`,
    'missing',
  )

const shown = (row: Pick<UploadRow, 'id' | 'size' | 'created_at' | 'name' | 'purpose'>) => ({
  id: row.id,
  object: 'file' as const,
  bytes: row.size,
  created_at: Math.floor(row.created_at.getTime() / 1000),
  filename: row.name,
  purpose: row.purpose,
})

export const uploadsRoutes = ({ database, quota, objects, findCollection }: UploadsDeps): Route[] => {
  const collectionNamed = async (name: string, identity: Identity): Promise<Place> => {
    const collection = coveredOnly(identity, await findCollection(name))
    if (!collection) throw collectionNotFound()
    return collection
  }

  /** The collection that the form names, or the home collection of the key. */
  const placeOf = async (name: string | undefined, identity: Identity): Promise<Place> => {
    if (name !== undefined) return collectionNamed(name, identity)
    const home = homeOf(identity)
    if (home === undefined) {
      const why =
        identity.kind === 'admin'
          ? 'The admin token covers all collections'
          : 'This key covers several collections and has no home collection'
      const message = `${why}: set the field collection to the one that gets the file`
      throw invalidField(['body', 'collection'], message, 'missing')
    }
    const collection = await findCollectionRow(database, home)
    if (!collection) throw collectionGone()
    return collection
  }

  /** Writes the files of a form down as one upload. They are kept only once their rows are there. */
  const store = async (call: UploadCall, field: string) => {
    const { body, files, identity, keepFiles } = call
    const collection = await placeOf(body.collection, identity)
    if (files.length === 0) throw fileMissing(field)
    await quota.require(collection.id, 0)
    const uploadId = hexId()
    const names = distinctFileNames(files.map((file) => file.name))
    const uploads = files.map((file, index): NewUpload => {
      const name = names[index] as string
      const path = sandboxUploadPath({ collection: collection.name, uploadId, name })
      const { object, size, content_type: contentType } = file
      return { id: `file-${hexId()}`, path, object, name, contentType, size }
    })
    let created: Date | undefined
    try {
      created = await insertUploads(database, { collectionId: collection.id, purpose: body.purpose }, uploads)
    } catch (error) {
      // Postgres went away with the answer: the rows may be there, and then they need their objects.
      if (error instanceof AppError && error.code === 'database_unavailable') keepFiles()
      throw error
    }
    if (!created) throw collectionGone()
    keepFiles()
    quota.add(collection.id, { fileBytes: uploads.reduce((sum, { size }) => sum + size, 0) })
    return { collection, uploadId, uploads, first: uploads[0] as NewUpload, created }
  }

  /** Whether somebody else has an upload of that id is not told. */
  const get = async (id: string, identity: Identity): Promise<UploadRow> => {
    const row = /^file-[0-9a-f]{32}$/.test(id) ? await findUpload(database, id) : undefined
    if (!row || !covers(identity, row.collection_id)) throw fileNotFound()
    return row
  }

  return implement(uploadsContract, {
    uploadFile: async (call) => {
      const { collection, uploadId, uploads, first } = await store(call, 'file')
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
      const { uploadId, uploads } = await store(call, 'files')
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
      const { first, created } = await store(call, 'file')
      return shown({ ...first, created_at: created, purpose: call.body.purpose })
    },

    listUploads: async ({ query, identity }) => {
      const collection = query.collection ? await collectionNamed(query.collection, identity) : undefined
      const ids = collection ? [collection.id] : coveredIds(identity)
      const after = query.after ? await findUpload(database, query.after) : undefined
      if (query.after && !(after && covers(identity, after.collection_id))) {
        throw invalidField(['query', 'after'], 'There is no file with this id; start again without the parameter after')
      }
      const page = { below: after?.number ?? Number.MAX_SAFE_INTEGER, limit: query.limit + 1 }
      const rows = await listUploads(database, ids, page)
      const data = rows.slice(0, query.limit).map(shown)
      return {
        object: 'list',
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: rows.length > query.limit,
      }
    },

    getUpload: async ({ params, identity }) => shown(await get(params.id, identity)),

    downloadUpload: async ({ params, identity, headers }) =>
      serveFile(objects, await get(params.id, identity), headers, false),

    deleteUpload: async ({ params, identity, note }) => {
      const row = await get(params.id, identity)
      const [name = ''] = row.path.split('/', 1)
      note({ target: row.path, collections: [{ id: row.collection_id, name }] })
      await objects.remove([row.object]) // before the row: what fails here can be asked for again
      if (!(await deleteUpload(database, row.path))) throw fileNotFound()
      return { id: row.id, object: 'file', deleted: true }
    },
  })
}
