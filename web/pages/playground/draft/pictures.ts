import { bytesText } from '../../../text/numbers.ts'

/** An image that is sent with a question. */
export interface Picture {
  name: string
  /** `data:` with the bytes, or an address on the web. */
  url: string
}

/** The formats that models take. SVG is none of them. */
const types: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif'])

export const pictureTypes = [...types].join(',')

/** The server takes a body of 16 MiB by default, and base64 needs a third more than the bytes. */
export const mostPictureBytes = 8_000_000
export const mostPictures = 8

/** Why a file cannot be sent; undefined: it can. */
export const pictureFault = ({ type, size }: { type: string; size: number }): string | undefined => {
  if (!types.has(type)) return 'Models take PNG, JPEG, WebP and GIF images'
  if (size > mostPictureBytes) return `An image may have ${bytesText(mostPictureBytes)} at most`
  return undefined
}
