import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName, splitName, tailWithin, unwanted } from '../../lib/files/file-names.ts'

const maxPathBytes = 1024
const byteLength = (text: string): number => Buffer.byteLength(text)

/** Returns the path if it can name a stored file; else throws `bad_request` saying what is wrong with it. */
export const checkStoragePath = (path: string): string => {
  const refuse = (why: string): never => {
    throw new AppError('bad_request', `Not a storage path: ${why}`, {
      hint: 'A storage path looks like collection/task/0000/1f2e3d4c.00.pdf, as the server returned it.',
    })
  }
  if (path.length > maxPathBytes || byteLength(path) > maxPathBytes) refuse(`it is longer than ${maxPathBytes} bytes`)
  if (path.startsWith('/')) refuse('it begins with a slash')
  if (/[\p{Cc}\p{Cs}]/u.test(path)) refuse('it has a character that is not allowed in a name')
  const segments = path.split('/')
  if (segments.includes('')) refuse('it has an empty segment')
  if (segments.includes('..') || segments.includes('.')) refuse(`it has a '.' or '..' segment`)
  return path
}

interface RunPlace {
  collection: string
  task: string
  trajectoryId: string
}

const folderOf = ({ collection, task }: RunPlace): string => `${collection}/${task}/0000`

/** Path of a file sent with a run: `{collection}/{task}/0000/{trajectory_id}.{NN}.{ext}`. */
export const runUploadPath = (upload: RunPlace & { index: number; name: string }): string => {
  const [, extension] = splitName(sanitizeFileName(upload.name))
  const number = String(upload.index).padStart(2, '0')
  return checkStoragePath(`${folderOf(upload)}/${upload.trajectoryId}.${number}${extension || '.bin'}`)
}

/** Path of a file uploaded before a run: `{collection}/_sandbox_uploads/{upload_id}/{filename}`. */
export const sandboxUploadPath = (upload: { collection: string; uploadId: string; name: string }): string =>
  checkStoragePath(`${upload.collection}/_sandbox_uploads/${upload.uploadId}/${sanitizeFileName(upload.name)}`)

/** Path of a data file: `{collection}/_datasets/{dataset}/data.{NNNNNN}.tar.gz`, or with the extension of its name. */
export const datasetFilePath = (file: {
  collection: string
  dataset: string
  number: number
  name: string
}): string => {
  const base = sanitizeFileName(file.name)
  const extension = /\.(tar\.gz|tgz)$/i.test(base) ? '.tar.gz' : splitName(base)[1].toLowerCase() || '.tar.gz'
  const number = String(file.number).padStart(6, '0')
  return checkStoragePath(`${file.collection}/_datasets/${file.dataset}/data.${number}${extension}`)
}

/** Path of a stored preview. Each has a path of its own, because a replaced one is removed after the new one is stored. */
export const previewPath = (file: { collection: string; dataset: string; object: string; name: string }): string =>
  checkStoragePath(
    `${file.collection}/_datasets/${file.dataset}/preview.${file.object.slice(0, 8)}${splitName(sanitizeFileName(file.name))[1]}`,
  )

/**
 * Path of a file made by a step: `{collection}/{task}/0000/{trajectory_id}.{step}.{NNNN}.{flat}`. It always ends with
 * the file's base name, dots included, because clients select files by it; its folders are flattened.
 */
export const stepFilePath = (file: RunPlace & { step: string; index: number; name: string }): string => {
  const base = sanitizeFileName(file.name)
  const folders = file.name
    .slice(0, file.name.lastIndexOf('/') + 1)
    .replace(unwanted, '')
    .split('/')
    .filter((folder) => folder !== '' && folder !== '.' && folder !== '..')
    .map((folder) => `${folder.replaceAll('.', '-')}--`)
    .join('')
  const front = `${folderOf(file)}/${file.trajectoryId}.${file.step}.${String(file.index).padStart(4, '0')}.`
  const room = maxPathBytes - byteLength(front) - byteLength(base)
  return checkStoragePath(`${front}${tailWithin(folders, Math.max(room, 0))}${base}`)
}
