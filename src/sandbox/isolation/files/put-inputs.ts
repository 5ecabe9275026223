import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../../lib/errors.ts'
import { distinctFileNames, sanitizeFileName, splitName } from '../../../lib/files/file-names.ts'
import { essenceOf } from '../../../lib/files/media-type.ts'
import { byteSize } from '../../../lib/settings/byte-size.ts'
import type { FileSource } from '../../../model/file-source.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import type { Sandbox } from '../sandbox.ts'
import { foldersOf, type OpenedZip, openZip } from './unzip.ts'

export interface InputLimits {
  /** Total bytes of all inputs: archives and their unpacked members. */
  bytes: number
  /** Total number of files, unpacked ones included. */
  files: number
}

/** Path of an input inside the sandbox. */
interface PutInput {
  asset: string
  upload: string
  /** For an archive: the number of unpacked files and their folder. */
  unpacked?: { files: number; folder: string }
}

const zipTypes = ['application/zip', 'application/x-zip-compressed']

/** Whether a file is an archive to unpack; documents that are ZIP files internally are not. */
const isArchive = (file: FileSource): boolean =>
  /\.zip$/i.test(file.name) || (zipTypes.includes(essenceOf(file.content_type)) && splitName(file.name)[1] === '')

const tooMuch = (what: string, hint: string): AppError => new AppError('invalid', what, { hint })

/** Counts the bytes as they are written and aborts above the limit, whatever size was declared. */
const makeMeter = (limits: InputLimits, signal: AbortSignal | undefined) => {
  let bytes = 0
  let files = 0
  return {
    left: () => ({ bytes: limits.bytes - bytes, files: limits.files - files }),
    addFile(): void {
      files += 1
      if (files > limits.files)
        throw tooMuch(
          `The run has more than ${limits.files} input files`,
          'Send fewer files, or raise JETTY_SANDBOX_FILES.',
        )
    },
    async *through(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
      for await (const chunk of body) {
        signal?.throwIfAborted()
        bytes += chunk.length
        if (bytes > limits.bytes)
          throw tooMuch(
            `The input files have more than ${byteSize(limits.bytes)} in total`,
            'Send less, or raise JETTY_RUNBOOK_INPUT_BYTES.',
          )
        yield chunk
      }
    },
  }
}

/** Tracks taken paths below `/app/assets`, so that a second archive does not overwrite files of the first. */
const makePlaces = () => {
  const files = new Set<string>()
  const folders = new Set<string>()
  const isTaken = (path: string) =>
    files.has(path) || folders.has(path) || foldersOf(path).some((folder) => files.has(folder))
  const take = (path: string) => {
    files.add(path)
    for (const folder of foldersOf(path)) folders.add(folder)
  }
  return {
    take,
    /** Chooses the folder to unpack into: '' when nothing collides, else a folder of its own. */
    folderFor(zip: OpenedZip, name: string): string {
      const isFree = (folder: string) => ![...zip.paths].some((path) => isTaken(folder + path))
      if (isFree('')) return ''
      const own = sanitizeFileName(splitName(name)[0])
      let folder = own
      for (let count = 2; isTaken(folder); count += 1) folder = `${own}-${count}`
      return `${folder}/`
    },
  }
}

/**
 * Copies the inputs of a runbook into its sandbox before anything runs there: each as `/app/assets/{id}.{NN}.{ext}` and
 * under its own name in `/app/uploads`; archives are also unpacked into `/app/assets`. `id` is the run's id. Throws
 * `invalid` for an archive that cannot be unpacked and for inputs above the limits.
 */
export const putInputs = async (
  sandbox: Pick<Sandbox, 'put' | 'folders'>,
  {
    id,
    files,
    limits,
    signal,
  }: { id: string; files: readonly FileSource[]; limits: InputLimits; signal?: AbortSignal },
): Promise<{ inputs: PutInput[]; warnings: string[] }> => {
  const meter = makeMeter(limits, signal)
  const places = makePlaces()
  const warnings: string[] = []
  const uploadNames = distinctFileNames(files.map((file) => file.name))
  const assetNames = files.map((file, index) => {
    const extension = splitName(sanitizeFileName(file.name))[1] || '.bin'
    return `${id}.${String(index).padStart(2, '0')}${extension}`
  })
  for (const name of assetNames) places.take(name)

  const unpack = async (file: FileSource, path: string): Promise<PutInput['unpacked']> => {
    const zip = await openZip(path, file.name, meter.left())
    try {
      const folder = places.folderFor(zip, file.name)
      if (folder !== '')
        warnings.push(
          `${file.name} has files of the same names as another input: unpacked in ${inside.assets}/${folder}`,
        )
      for await (const member of zip.members()) {
        meter.addFile()
        places.take(folder + member.path)
        await sandbox.put(`${inside.assets}/${folder}${member.path}`, meter.through(member.open()), member.mode)
      }
      return { files: zip.paths.size, folder: `${inside.assets}/${folder}`.replace(/\/$/, '') }
    } finally {
      zip.close()
    }
  }

  const inputs: PutInput[] = []
  for (const [index, file] of files.entries()) {
    const assetName = assetNames[index] as string
    const asset = `${inside.assets}/${assetName}`
    const upload = `${inside.uploads}/${uploadNames[index]}`
    meter.addFile()
    await sandbox.put(asset, meter.through(file.open()))
    // A source can be read only once: the second copy is read back from the first, which nothing has touched yet.
    const path = join(sandbox.folders.app, 'assets', assetName)
    await sandbox.put(upload, createReadStream(path))
    const unpacked = isArchive(file) ? await unpack(file, path) : undefined
    inputs.push({ asset, upload, ...(unpacked && { unpacked }) })
  }
  return { inputs, warnings }
}
