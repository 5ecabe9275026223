import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { fileFormatOf } from '../../lib/files/file-format.ts'
import { essenceOf } from '../../lib/files/media-type.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'

const maxBytes = 50 * 1024 * 1024

/** File name from a URL, with the extension of the detected type. */
const nameFrom = (url: string, extension: string): string => {
  const last = new URL(url).pathname.split('/').pop() ?? ''
  let name = last
  try {
    name = decodeURIComponent(last)
  } catch {
    // A stray percent sign: keep the undecoded name.
  }
  const stem = name
    .replace(/[/\\\p{Cc}\p{Cs}]/gu, '')
    .replace(/\.[A-Za-z0-9]{1,5}$/, '')
    .slice(0, 100)
    .trim()
  return `${stem.replaceAll('.', '') === '' ? 'image' : stem}.${extension}`
}

/** Downloads and stores an image. */
export const downloadImage = activity({
  name: 'download_image',
  category: 'files',
  lenient: true,
  description: 'Downloads an image from a public URL and stores it, so that later steps can use its path.',
  parameters: z.object({
    url: z.string().min(1).describe('http or https URL of the image.'),
  }),
  outputs: z.object({ images: z.array(mediaObjectSchema).describe('A list with the stored image.') }),
  example: { activity: 'download_image', url: 'https://example.com/cat.png' },
  gotchas: [
    'The format is taken from the content of the file, not from its name or the server. SVG is not accepted: it is a document.',
    'At most 50 MiB. Private addresses are refused unless JETTY_ALLOW_PRIVATE_NETWORK lists them.',
  ],
  async run({ url }, context) {
    const answer = await context.fetch(url, { maxBytes, timeoutSeconds: 120, headers: { accept: 'image/*' } })
    const from = url.split(/[?#]/, 1)[0]
    if (answer.status < 200 || answer.status > 299) {
      throw new AppError('upstream_failed', `Downloading ${from} failed: it answered with status ${answer.status}`, {
        hint: 'Check that the URL can be opened without signing in.',
        retryable: answer.status === 429 || answer.status >= 500,
      })
    }
    const bytes = await answer.bytes()
    const found = await fileFormatOf(bytes)
    if (!found?.mime.startsWith('image/')) {
      const what = found ? found.mime : essenceOf(answer.headers['content-type'] ?? '') || 'another kind of file'
      throw new AppError('activity_failed', `The response of ${from} is not an image in a known format, but ${what}`, {
        hint: 'Use the URL of the image itself, not of a page that shows it.',
      })
    }
    const image = await context.files.save({
      name: nameFrom(answer.url, found.ext),
      content_type: found.mime,
      body: bytes,
    })
    return { images: [image] }
  },
})
