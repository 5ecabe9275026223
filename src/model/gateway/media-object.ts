import { z } from 'zod'

/** A stored file in outputs: the result of `context.files.save`. */
export const mediaObjectSchema = z.object({
  path: z.string().describe('Storage path: what other steps take, and what /api/v1/file/ serves.'),
  name: z.string().describe('File name.'),
  extension: z.string().describe('Without the dot.'),
  content_type: z.string().describe('Content type.'),
  size: z.number().int().describe('Bytes.'),
})
