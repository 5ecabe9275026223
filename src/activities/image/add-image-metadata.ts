import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { contentTypeOf } from '../../lib/files/media-type.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'
import { imageKind, writeJpegMetadata, writePngMetadata } from './image-metadata.ts'

const maxBytes = 100 * 1024 * 1024

/** Writes metadata into an image file. */
export const addImageMetadata = activity({
  name: 'add_image_metadata',
  category: 'image',
  lenient: true,
  description: 'Writes metadata into a PNG or JPEG and stores the result as a new file.',
  parameters: z.object({
    image_path: z.string().min(1).describe('Storage path of the image.'),
    metadata: z
      .record(z.string(), z.unknown())
      .describe(
        'Texts by key; null is skipped, other values are written as JSON. metadata_path takes an object of paths.',
      ),
  }),
  outputs: z.object({ images: z.array(mediaObjectSchema).describe('A list with the new image.') }),
  example: {
    activity: 'add_image_metadata',
    image_path_expr: 'init_params.file_paths[0]',
    metadata: { Title: 'A cat', Description: '{{init_params.prompt}}' },
  },
  gotchas: [
    'image_path accepts a storage path or a path expression such as get.outputs.images[0].path; image_path_expr accepts only path expressions.',
    'A PNG gets one text chunk for each key, which replaces a chunk of the same key; a JPEG gets one comment with ' +
      'all keys as JSON, at most 64 KiB. Other formats fail the step.',
    'The original image stays unchanged.',
  ],
  async run({ image_path, metadata }, context) {
    const file = await context.files.open(image_path)
    if (file.size > maxBytes) {
      throw new AppError(
        'too_large',
        `'${file.name}' has ${byteSize(file.size)}; at most ${byteSize(maxBytes)} is allowed`,
      )
    }
    const image = Buffer.from(await file.bytes())
    const entries = new Map(
      Object.entries(metadata)
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([key, value]) => [key, asText(value)]),
    )
    const kind = imageKind(image)
    if (kind === undefined) {
      const known = contentTypeOf(file.name)
      throw new AppError(
        'activity_failed',
        `'${file.name}' is neither PNG nor JPEG (${known}); metadata can only be written to these two formats`,
        { hint: 'Convert the image first, or request PNG from the model that creates it.' },
      )
    }
    const write = kind === 'png' ? writePngMetadata : writeJpegMetadata
    const saved = await context.files.save({
      name: file.name,
      content_type: `image/${kind}`,
      body: write(image, entries, file.name),
    })
    return { images: [saved] }
  },
})
