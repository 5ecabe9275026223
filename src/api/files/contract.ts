import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { listedFileSchema } from '../../model/file.ts'

const tag = 'Files'

export const filesContract = {
  downloadFile: endpoint({
    method: 'GET',
    path: '/api/v1/file/{path...}',
    summary: 'The bytes of a stored file; ranges are served',
    tag,
    collectionMissing: 'File not found',
    query: z.object({ inline: z.string().optional().describe('1: show safe types in the browser, do not save them.') }),
    response: 'bytes',
  }),
  listFiles: endpoint({
    method: 'GET',
    path: '/api/v1/list-files',
    summary: 'The files below a prefix, which starts with the name of a collection',
    tag,
    query: z.object({
      prefix: z.string().min(1).max(1024),
      limit: z.coerce.number().int().min(1).max(10_000).default(1000),
    }),
    response: z.object({ files: z.array(listedFileSchema) }),
    errors: ['not_found'],
  }),
}
