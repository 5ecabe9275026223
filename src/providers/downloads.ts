import { AppError } from '../lib/errors.ts'
import type { Fetch } from '../lib/net/net.ts'
import { byteSize } from '../lib/settings/byte-size.ts'
import type { ModelCaller } from '../model/gateway/chat.ts'
import type { CallLimits } from './provider.ts'

const tooMany = (most: number): AppError =>
  new AppError('too_large', `The call names more than ${most} files to download`, {
    hint: 'Send fewer files, send their bytes instead of URLs, or raise JETTY_MAX_MEDIA_FILES.',
  })

const noneLeft = (most: number): AppError =>
  new AppError('too_large', `The files that the call names are larger than ${byteSize(most)} together`, {
    hint: 'Send fewer or smaller ones, or raise JETTY_MAX_FETCH_BYTES.',
  })

/**
 * Makes the function that downloads the files of one call, named by URLs in its request or answer. It reaches only hosts
 * that the collection may reach, one file after the other, and bounds their number and their total size.
 */
export const makeDownload = (
  fetch: Fetch,
  { allowedHosts, room }: Pick<ModelCaller, 'allowedHosts' | 'room'>,
  { mediaFiles, maxBytes }: CallLimits,
): Fetch => {
  let count = 0
  let size = 0
  let last: Promise<unknown> = Promise.resolve()
  const next: Fetch = async (url, request) => {
    const left = maxBytes === undefined ? {} : { maxBytes: maxBytes - size }
    if (maxBytes !== undefined && size >= maxBytes) throw noneLeft(maxBytes)
    const answer = await fetch(url, { ...request, ...left, allowedHosts, room })
    size += (await answer.bytes()).length
    return answer
  }
  return (url, request) => {
    count += 1
    if (mediaFiles !== undefined && count > mediaFiles) return Promise.reject(tooMany(mediaFiles))
    const fetched = last.then(() => next(url, request))
    last = fetched.catch(() => {})
    return fetched
  }
}
