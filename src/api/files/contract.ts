import { z } from 'zod'
import { anyFile, endpoint } from '../../http/endpoint.ts'
import { listedFileSchema } from '../../model/file.ts'

const tag = 'Files'

export const filesContract = {
  downloadFile: endpoint({
    method: 'GET',
    path: '/api/v1/file/{path...}',
    summary: 'Download a stored file; range requests are supported',
    tag,
    collectionMissing: 'File not found',
    query: z.object({
      inline: z.string().optional().describe('1: show safe content types in the browser instead of downloading them.'),
    }),
    cookieReads: true,
    response: 'bytes',
    mediaTypes: anyFile,
  }),
  listFiles: endpoint({
    method: 'GET',
    path: '/api/v1/list-files',
    summary: 'The stored files whose path starts with a prefix; the prefix starts with the name of a collection',
    tag,
    query: z.object({
      prefix: z.string().min(1).max(1024),
      limit: z.coerce.number().int().min(1).max(10_000).default(1000),
    }),
    response: z.object({ files: z.array(listedFileSchema) }),
    errors: ['not_found'],
  }),
}
