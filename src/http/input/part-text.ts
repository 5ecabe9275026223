import { contentTypeOf, essenceOf } from '../../lib/files/media-type.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'

/** The last part of a file name, without control characters; never empty. */
export const plainFileName = (name: string): string => {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
  const clean = last.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').trim()
  return clean === '' || clean === '.' || clean === '..' ? 'upload.bin' : clean.slice(-200)
}

/** Keeps the last bytes that have arrived: at least as many as one field may have, and at most twice as many. */
export const lastBytes = (most: number) => {
  const newest = makeByteBlocks()
  let before: Buffer = Buffer.alloc(0)
  return {
    add(chunk: Buffer) {
      newest.add(chunk)
      if (newest.size >= most) before = newest.take()
    },
    include(text: string): boolean {
      before = Buffer.concat([before, newest.take()]).subarray(-most)
      return before.includes(text)
    },
  }
}

/**
 * The declared media type, or the one of the file name if the declared one is generic: parsers report `text/plain` for
 * parts that declare none.
 */
export const mediaTypeOfPart = (name: string, declared: string): string => {
  const byName = contentTypeOf(name)
  const vague = ['', 'text/plain', 'application/octet-stream'].includes(essenceOf(declared))
  return vague && byName !== 'application/octet-stream' ? byName : declared
}
