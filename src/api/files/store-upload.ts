import { randomBytes } from 'node:crypto'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import type { Call } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { distinctFileNames } from '../../lib/files/file-names.ts'
import { type FoundCollection, homeOf, type Identity } from '../../model/collections/identity.ts'
import { findCollectionRow } from '../../store/collections/collections.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import { sandboxUploadPath } from '../../store/files/storage-path.ts'
import { insertUploads, type NewUpload } from '../../store/files/uploads.ts'
import type { filesContract } from './contract.ts'

export interface StoreUploadDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  findCollection(name: string): Promise<FoundCollection | undefined>
}

type UploadCall = Call<(typeof filesContract)['uploadFile' | 'uploadSandboxFiles' | 'createFile']>
type UploadCollection = Pick<FoundCollection, 'id' | 'name'>

/** The files of one form, stored under one upload id. */
interface StoredUpload {
  collection: UploadCollection
  uploadId: string
  uploads: NewUpload[]
  first: NewUpload
  created: Date
}

const hexId = (): string => randomBytes(16).toString('hex')

const collectionGone = () => new AppError('not_found', 'Collection not found')

const fileMissing = (field: string) =>
  invalidField(
    ['body', field],
    `The request has no file; send it as multipart/form-data, with curl: -F '${field}=@path'`,
    'missing',
  )

/** Finds a collection by name. Unknown and foreign names get the same error. */
export const collectionNamed = async (
  { findCollection }: Pick<StoreUploadDeps, 'findCollection'>,
  name: string,
  identity: Identity,
): Promise<UploadCollection> => {
  const collection = coveredOnly(identity, await findCollection(name))
  if (!collection) throw collectionNotFound()
  return collection
}

/** Finds the collection that the form names, or the home collection of the key. */
const collectionOf = async (
  deps: StoreUploadDeps,
  name: string | undefined,
  identity: Identity,
): Promise<UploadCollection> => {
  if (name !== undefined) return collectionNamed(deps, name, identity)
  const home = homeOf(identity)
  if (home === undefined) {
    const why =
      identity.kind === 'admin'
        ? 'The admin token covers all collections'
        : 'This key covers several collections and has no home collection'
    const message = `${why}: set the field collection to the one that gets the file`
    throw invalidField(['body', 'collection'], message, 'missing')
  }
  const collection = await findCollectionRow(deps.database, home)
  if (!collection) throw collectionGone()
  return collection
}

/** Stores the files of a form as one upload, in the collection that it names. */
export const storeUpload = async (deps: StoreUploadDeps, call: UploadCall, field: string): Promise<StoredUpload> => {
  const { collection: named, purpose } = call.body
  const collection = await collectionOf(deps, named, call.identity)
  return storeFiles(deps, call, { collection, purpose, field })
}

interface UploadPlace {
  collection: UploadCollection
  purpose: string
  /** Name of the file part of the form. */
  field: string
}

/** Stores the files of a form in a collection. The object store keeps them only if their rows are written. */
export const storeFiles = async (
  { database, quota }: Omit<StoreUploadDeps, 'findCollection'>,
  { files, keepFiles }: Pick<UploadCall, 'files' | 'keepFiles'>,
  { collection, purpose, field }: UploadPlace,
): Promise<StoredUpload> => {
  if (files.length === 0) throw fileMissing(field)
  await quota.require(collection.id, 0)
  const uploadId = hexId()
  const names = distinctFileNames(files.map((file) => file.name))
  const uploads = files.map((file, index): NewUpload => {
    const name = names[index] as string
    const path = sandboxUploadPath({ collection: collection.name, uploadId, name })
    const { object, size, sha256, content_type: contentType } = file
    return { id: `file-${hexId()}`, path, object, name, contentType, size, sha256 }
  })
  let created: Date | undefined
  try {
    created = await insertUploads(database, { collectionId: collection.id, purpose }, uploads)
  } catch (error) {
    // The connection broke before the answer came: the rows may be there, and then they need their objects.
    if (error instanceof AppError && error.code === 'database_unavailable') keepFiles()
    throw error
  }
  if (!created) throw collectionGone()
  keepFiles()
  quota.add(collection.id, { fileBytes: uploads.reduce((sum, { size }) => sum + size, 0) })
  return { collection, uploadId, uploads, first: uploads[0] as NewUpload, created }
}
