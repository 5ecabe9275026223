import { isTextFile } from '../../lib/files/media-type.ts'
import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { ByteScrubber } from '../../lib/secrets/scrub-bytes.ts'
import type { FileSource } from '../../model/file-source.ts'
import type { ScrubbedFile } from '../../model/runbooks/runbook-run.ts'

/** So much of the beginning of a file says whether it is text. */
const lookedAt = 8 * 1024

/**
 * A file without the secrets of a run. In a text `***` takes their place, as everywhere; elsewhere as many asterisks as
 * they had bytes, so that what the file counts in itself is still where it is looked for.
 */
export const scrubbedFile = (file: FileSource, scrub: Scrubber): ScrubbedFile => {
  if (scrub.isEmpty) return { file, struck: () => undefined }
  let bytes: ByteScrubber | undefined
  let isText = true
  async function* open(): AsyncGenerator<Uint8Array> {
    bytes = undefined
    for await (const chunk of file.open()) {
      if (!bytes) {
        isText = isTextFile(file.content_type, chunk.subarray(0, lookedAt))
        bytes = scrub.bytes({ keepsLength: !isText })
      }
      const clean = bytes.push(chunk)
      if (clean.length > 0) yield clean
    }
    const rest = bytes?.rest()
    if (rest && rest.length > 0) yield rest
  }
  return {
    file: { ...file, open },
    struck: () => (bytes && bytes.found.size > 0 ? { names: [...bytes.found].sort(), isText } : undefined),
  }
}
