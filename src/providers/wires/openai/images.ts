import { AppError } from '../../../lib/errors.ts'
import { fileFormatOf } from '../../../lib/files/media-file.ts'
import { isObject } from '../../../lib/json/json-object.ts'
import { readDataUri } from '../../../lib/text/data-uri.ts'
import type { ImageRequest, MadeImage } from '../../../model/gateway/image.ts'
import type { Drawn, WireCall } from '../../provider.ts'
import { impossible, unreadable } from '../../upstream/errors.ts'
import { withRetries } from '../../upstream/retry.ts'
import { usageIn } from '../../upstream/usage/usage.ts'
import { jsonOf, post } from '../read-answer.ts'

interface ImageList {
  data: Record<string, unknown>[]
  usage?: Record<string, unknown>
}

const isList = (body: unknown): body is ImageList =>
  isObject(body) && Array.isArray(body.data) && body.data.length > 0 && body.data.every(isObject)

/** Detects the content type of an image from its bytes. */
export const imageOf = async (bytes: Uint8Array, named = 'image/png'): Promise<MadeImage> => ({
  bytes,
  type: (await fileFormatOf(bytes))?.mime ?? named,
})

/** Downloads an image, without the key. It is paid for, so only the download is retried. */
const fetched = async (url: string, call: WireCall): Promise<Uint8Array> => {
  const download = () => call.download(url, { signal: call.signal, ...call.limits })
  const answer = await withRetries(download, call.limits, call)
  if (answer.status === 200) return answer.bytes()
  const where = new URL(url).origin
  throw new AppError(
    'upstream_failed',
    `The image that ${call.provider.name} made could not be downloaded: ${where} answered ${answer.status}`,
  )
}

const bytesOf = async (one: Record<string, unknown>, call: WireCall): Promise<Uint8Array | undefined> => {
  if (typeof one.b64_json === 'string') return Buffer.from(one.b64_json, 'base64')
  if (typeof one.url !== 'string') return undefined
  return readDataUri(one.url)?.bytes ?? fetched(one.url, call)
}

const madeOf = async (one: Record<string, unknown>, call: WireCall): Promise<MadeImage | undefined> => {
  const bytes = await bytesOf(one, call)
  if (!bytes?.length) return undefined
  const revised = one.revised_prompt
  return { ...(await imageOf(bytes)), ...(typeof revised === 'string' ? { revised_prompt: revised } : {}) }
}

const bodyFor = ({ images, aspect_ratio: ratio, ...request }: ImageRequest, call: WireCall) => ({
  ...request,
  model: call.model,
  ...(ratio ? { aspect_ratio: ratio } : {}),
})

/** Makes images through OpenAI's `/images/generations`. */
export const drawOverOpenAi = async (request: ImageRequest, call: WireCall): Promise<Drawn> => {
  if (request.images?.length) {
    throw impossible(call, 'it takes no images to begin from', 'Use a model of Gemini, such as gemini-2.5-flash-image.')
  }
  const url = call.native ? call.url : `${call.base_url}/images/generations`
  const answer = await post(call, url, bodyFor(request, call), 'application/json')
  const list = await jsonOf(call, answer, 'list of images', isList)
  const made = (await Promise.all(list.data.map((one) => madeOf(one, call)))).filter((one) => one !== undefined)
  if (made.length === 0) throw unreadable(call, 'image', { ...answer, text: JSON.stringify(list) })
  return { images: made, text: '', usage: usageIn(list.usage), warnings: [] }
}
