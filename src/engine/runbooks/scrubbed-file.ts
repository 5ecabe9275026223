import { isTextFile } from '../../lib/files/media-type.ts'
import type { Scrubber } from '../../lib/secrets/scrub.ts'
import type { ByteScrubber } from '../../lib/secrets/scrub-bytes.ts'
import type { FileSource } from '../../model/file-source.ts'
import type { ScrubbedFile } from '../../model/runbooks/runbook-run.ts'

/** Bytes at the beginning that decide whether a file is text. */
const lookedAt = 8 * 1024

/**
 * Removes a run's secrets from a file. In text they become `***`, as everywhere; in binary files asterisks of the same
 * length, so that offsets within the file stay valid.
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
