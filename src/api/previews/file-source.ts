import type { PreviewSource } from '../../datasets/preview/preview.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'

/** A stored file that is read by ranges. */
export const fileSource = (
  objects: Pick<ObjectStore, 'open'>,
  file: { name: string; size: number; object: string },
): PreviewSource => ({
  name: file.name,
  size: file.size,
  read: async (start, end) => {
    const last = Math.min(end, file.size) - 1
    if (last < start) return new Uint8Array()
    const { stream } = await objects.open(file.object, { start, end: last })
    return readWhole(stream)
  },
})
