import { z } from 'zod'
import { textSchema } from './names.ts'

const purposeSchema = z
  .string()
  .max(64)
  .regex(/^[\w.-]*$/, 'Letters, digits, dots, underscores and hyphens, such as user_data')
  .nullish()
  .transform((given) => given || 'user_data')

/** Fields of an upload form besides files. */
export const uploadFormSchema = z
  .object({
    collection: textSchema
      .nullish()
      .transform((given) => given || undefined)
      .describe(
        'Target collection. Required for the admin token and for keys of several collections without a home collection.',
      ),
    purpose: purposeSchema.describe('Purpose, free text, stored with the file.'),
  })
  .meta({ id: 'UploadForm' })

/** A file uploaded before a run, with path and id; of several, the first one. */
export const uploadedFileSchema = z
  .object({
    path: z.string().describe('Storage path, for init_params.file_paths.'),
    file_path: z.string(),
    file_paths: z.array(z.string()).describe('Storage paths of all uploaded files.'),
    upload_id: z.string(),
    filename: z.string(),
    size: z.int(),
    content_type: z.string(),
    collection: z.string(),
    id: z.string(),
  })
  .meta({ id: 'UploadedFile' })
export type UploadedFile = z.output<typeof uploadedFileSchema>

export const uploadedFilesSchema = z
  .object({ upload_id: z.string(), file_paths: z.array(z.string()), count: z.int() })
  .meta({ id: 'UploadedFiles' })

/** An upload in OpenAI's shape. */
export const fileObjectSchema = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: z.int().describe('Seconds since 1970.'),
    filename: z.string(),
    purpose: z.string(),
  })
  .meta({ id: 'FileObject' })

export const fileListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(fileObjectSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'FileObjectList' })

export const deletedFileSchema = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .meta({ id: 'DeletedFile' })
