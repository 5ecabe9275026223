import { Readable } from 'node:stream'
import type { Database } from '../../database/database.ts'
import { requireScope } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { bytes, rawJson } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/identity.ts'
import { findFile, listFiles } from '../../store/files.ts'
import type { ByteRange } from '../../store/objects/objects.ts'
import { filesContract } from './contract.ts'
import { disposition } from './disposition.ts'
import { parseRange } from './range.ts'

export interface FilesDeps {
  database: Database
  objects: { open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }> }
  findCollection(name: string): Promise<FoundCollection | undefined>
}

const notFound = () => new AppError('not_found', 'File not found')

const safeType = (type: string): string =>
  /^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w."-]+)*$/.test(type) ? type : 'application/octet-stream'

export const filesRoutes = ({ database, objects, findCollection }: FilesDeps): Route[] => {
  const open = async (id: string, range: ByteRange | undefined): Promise<ReadableStream<Uint8Array>> => {
    try {
      return Readable.toWeb((await objects.open(id, range)).stream) as ReadableStream<Uint8Array>
    } catch (error) {
      throw error instanceof AppError && error.code === 'not_found' ? notFound() : error
    }
  }

  return implement(filesContract, {
    downloadFile: async ({ params, collection, query, request }) => {
      const file = await findFile(database, params.path)
      if (!file || file.collection_id !== collection.id) throw notFound()
      const etag = `"${file.object}"`
      const type = safeType(file.content_type)
      const common = {
        etag,
        'accept-ranges': 'bytes',
        'cache-control': 'private, no-cache',
        'content-security-policy': "default-src 'none'; sandbox",
        'content-disposition': disposition(file.name, type, query.inline === '1'),
      }
      if (request.headers.get('if-none-match') === etag) return bytes(null, common, 304)

      const condition = request.headers.get('if-range')
      const wanted = condition === null || condition === etag ? request.headers.get('range') : null
      const range = parseRange(wanted ?? undefined, file.size)
      if (range === 'unsatisfiable') {
        const headers = { 'content-range': `bytes */${file.size}` }
        return rawJson('{"detail":"Range Not Satisfiable"}', { status: 416, headers })
      }
      const length = range ? range.end - range.start + 1 : file.size
      const headers = { ...common, 'content-type': type, 'content-length': String(length) }
      if (!range) return bytes(await open(file.object, undefined), headers)
      const partial = { ...headers, 'content-range': `bytes ${range.start}-${range.end}/${file.size}` }
      return bytes(await open(file.object, range), partial, 206)
    },

    listFiles: async ({ query, identity }) => {
      const prefix = query.prefix.replace(/\/$/, '')
      if (prefix.split('/').some((part) => part === '' || part === '.' || part === '..')) {
        throw invalidField(['query', 'prefix'], 'The prefix is a path that starts with a collection, such as acme/echo')
      }
      const collection = await findCollection(prefix.split('/', 1)[0]!)
      if (!collection) throw new AppError('not_found', 'Collection not found')
      requireScope(identity, collection.id)
      const rows = await listFiles(database, collection.id, prefix, query.limit)
      return {
        files: rows.map(({ path, name, size, content_type, created_at }) => ({
          path,
          name,
          size,
          content_type,
          created: timestamp(created_at),
        })),
      }
    },
  })
}
