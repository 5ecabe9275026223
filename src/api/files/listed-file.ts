import { timestamp } from '../../lib/time.ts'
import type { FileRow } from '../../store/files/files.ts'

/** A stored file as lists show it. */
export const listedFile = ({ path, name, size, content_type, created_at }: FileRow) => ({
  path,
  name,
  size,
  content_type,
  created: timestamp(created_at),
})
