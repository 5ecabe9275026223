import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import {
  deletedFileSchema,
  fileListSchema,
  fileObjectSchema,
  uploadedFileSchema,
  uploadedFilesSchema,
  uploadFormSchema,
} from '../../model/upload.ts'

const tag = 'Uploads'

const upload = {
  method: 'POST',
  tag,
  body: uploadFormSchema,
  form: true,
  audited: false,
  errors: ['not_found', 'storage_full'],
} as const

/** Paths that OpenAI's clients use: below `/v1`, or below the bare origin when that is their base URL. */
const openAi = (rest: string) => [`/v1/files${rest}`, `/files${rest}`]

export const uploadsContract = {
  uploadFile: endpoint({
    ...upload,
    path: '/api/v1/files/upload',
    aliases: openAi('/upload'),
    summary: 'Upload a file ahead of a run; its path goes into init_params.file_paths',
    files: ['file'],
    response: uploadedFileSchema,
  }),
  uploadSandboxFiles: endpoint({
    ...upload,
    path: '/api/v1/sandbox/upload',
    summary: 'Upload several files ahead of a run',
    files: ['files'],
    response: uploadedFilesSchema,
  }),
  createFile: endpoint({
    ...upload,
    path: '/api/v1/files',
    aliases: openAi(''),
    summary: 'Upload a file as the OpenAI API does; its id may stand wherever its path may',
    files: ['file'],
    response: fileObjectSchema,
  }),
  listUploads: endpoint({
    method: 'GET',
    path: '/api/v1/files',
    aliases: openAi(''),
    summary: 'The uploaded files of every collection the token covers, or of one, newest first',
    tag,
    query: z.object({
      collection: z.string().max(200).optional().describe('Only those of this collection.'),
      limit: z.coerce.number().int().min(1).max(10_000).default(1000),
      after: z.string().max(200).optional().describe('The `last_id` of the page before.'),
    }),
    response: fileListSchema,
    errors: ['not_found'],
  }),
  getUpload: endpoint({
    method: 'GET',
    path: '/api/v1/files/{id}',
    aliases: openAi('/{id}'),
    summary: 'An uploaded file by its id',
    tag,
    response: fileObjectSchema,
  }),
  downloadUpload: endpoint({
    method: 'GET',
    path: '/api/v1/files/{id}/content',
    aliases: openAi('/{id}/content'),
    summary: 'The bytes of an uploaded file; ranges are served',
    tag,
    response: 'bytes',
  }),
  deleteUpload: endpoint({
    method: 'DELETE',
    path: '/api/v1/files/{id}',
    aliases: openAi('/{id}'),
    summary: 'Delete an uploaded file',
    tag,
    response: deletedFileSchema,
  }),
}
