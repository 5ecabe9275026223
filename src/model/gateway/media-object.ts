import { z } from 'zod'

/** A stored file in outputs: the result of `context.files.save`. */
export const mediaObjectSchema = z.object({
  path: z.string().describe('Storage path, as other steps take it and /api/v1/file/ serves it.'),
  name: z.string().describe('File name.'),
  extension: z.string().describe('File name extension, without the dot.'),
  content_type: z.string().describe('Content type.'),
  size: z.number().int().describe('Size in bytes.'),
})
