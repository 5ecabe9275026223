import { AppError } from '../../lib/errors.ts'
import type { FileSource } from '../../model/file-source.ts'
import type { ResultFile } from '../../model/runbooks/runbook-run.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { Queries } from '../../store/database/database.ts'
import { stepFilePath } from '../../store/files/storage-path.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { fileOf, mediaObject } from '../steps/activity-context.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import type { StorageWait } from '../steps/storage-wait.ts'

/** Opens a file of the run's collection for a sandbox. */
export const openInput = async (
  deps: { database: Queries; objects: ObjectStore },
  { run }: StepAtWork,
  path: string,
  onceStored: StorageWait,
): Promise<FileSource> => {
  const { object, name, content_type, size } = await fileOf(deps.database, run, path)
  return {
    name,
    content_type,
    size,
    async *open() {
      yield* (await onceStored(() => deps.objects.open(object))).stream
    },
  }
}

/** Stores a file of the sandbox. Its storage path ends with its path in the sandbox. */
export const keepSandboxFile = async (
  { objects }: { objects: ObjectStore },
  work: StepAtWork,
  { attempt, onceStored }: { attempt: number; onceStored: StorageWait },
  file: FileSource,
  keepAs: string,
  kind?: 'log',
): Promise<ResultFile> => {
  const { run, place, side } = work
  const stored = await onceStored(() => objects.put(file.open(), { maxBytes: Number.MAX_SAFE_INTEGER }))
  if (work.isOver || place.attempt !== attempt) {
    await objects.remove([stored.id]).catch(() => {})
    throw new AppError('cancelled', `Step '${place.name}' is over`)
  }
  const name = keepAs.slice(keepAs.lastIndexOf('/') + 1)
  const where = kind === 'log' ? keepAs : `${inside.results}/${keepAs}`
  const path = stepFilePath({ ...run, step: place.name, index: side.files.length, name: where })
  const { content_type: contentType } = file
  const { id: object, size, sha256 } = stored
  side.files.push({ path, object, name, contentType, size, sha256 })
  return { ...mediaObject(path, name, contentType, stored.size), relative_path: keepAs }
}
