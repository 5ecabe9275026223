import { z } from 'zod'
import { anyFile, endpoint } from '../../http/endpoint.ts'
import { listedFileSchema } from '../../model/file.ts'
import {
  deletedFileSchema,
  fileListSchema,
  fileObjectSchema,
  uploadedFileSchema,
  uploadedFilesSchema,
  uploadFormSchema,
} from '../../model/upload.ts'

const tag = 'Files'

const uploads = 'Uploads'

const upload = {
  method: 'POST',
  tag: uploads,
  body: uploadFormSchema,
  form: true,
  audited: false,
  errors: ['not_found', 'storage_full'],
} as const

/** Paths that OpenAI's clients use: below `/v1`, or below the bare origin when that is their base URL. */
const openAi = (rest: string) => [`/v1/files${rest}`, `/files${rest}`]

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
  uploadFile: endpoint({
    ...upload,
    path: '/api/v1/files/upload',
    aliases: openAi('/upload'),
    summary: 'Upload a file before a run; pass its path in init_params.file_paths',
    files: ['file'],
    response: uploadedFileSchema,
  }),
  uploadSandboxFiles: endpoint({
    ...upload,
    path: '/api/v1/sandbox/upload',
    summary: 'Upload several files before a run',
    files: ['files'],
    response: uploadedFilesSchema,
  }),
  createFile: endpoint({
    ...upload,
    path: '/api/v1/files',
    aliases: openAi(''),
    summary: 'Upload a file in the format of the OpenAI API; its id can be used wherever its path can',
    files: ['file'],
    response: fileObjectSchema,
  }),
  listUploads: endpoint({
    method: 'GET',
    path: '/api/v1/files',
    aliases: openAi(''),
    summary: 'The uploaded files of all collections of the token, or of one collection, newest first',
    tag: uploads,
    query: z.object({
      collection: z.string().max(200).optional().describe('Only files of this collection.'),
      limit: z.coerce.number().int().min(1).max(10_000).default(1000),
      after: z.string().max(200).optional().describe('`last_id` of the previous page.'),
    }),
    response: fileListSchema,
    errors: ['not_found'],
  }),
  getUpload: endpoint({
    method: 'GET',
    path: '/api/v1/files/{id}',
    aliases: openAi('/{id}'),
    summary: 'An uploaded file by its id',
    tag: uploads,
    response: fileObjectSchema,
  }),
  downloadUpload: endpoint({
    method: 'GET',
    path: '/api/v1/files/{id}/content',
    aliases: openAi('/{id}/content'),
    summary: 'Download an uploaded file; range requests are supported',
    tag: uploads,
    cookieReads: true,
    response: 'bytes',
    mediaTypes: anyFile,
  }),
  deleteUpload: endpoint({
    method: 'DELETE',
    path: '/api/v1/files/{id}',
    aliases: openAi('/{id}'),
    summary: 'Delete an uploaded file',
    tag: uploads,
    response: deletedFileSchema,
  }),
}
