import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { AppError, messageOf } from '../../lib/errors.ts'
import { endpointTool } from '../endpoint-tool.ts'
import { composedTool, type ToolContext } from '../tool.ts'

/** Largest file of this machine that a tool sends. */
const largestFile = 64 * 1024 * 1024

const outside = (path: string, folder: string): AppError =>
  new AppError('forbidden', `${path} is not below ${folder}`, {
    hint: 'Name a file below the folder in which `jetty mcp` was started, or start it with --folder.',
  })

/** The real path of a name below a folder; links that lead out of it are refused. */
const below = async (folder: string, path: string, isNew: boolean): Promise<string> => {
  const wanted = resolve(folder, path)
  const [root, real] = await Promise.all([
    realpath(folder),
    isNew ? realpath(dirname(wanted)).then((parent) => join(parent, basename(wanted))) : realpath(wanted),
  ]).catch((error) => {
    throw new AppError('not_found', `There is no ${isNew ? 'folder for' : 'file'} ${path}: ${messageOf(error)}`)
  })
  const way = relative(root, real)
  if (way === '' || way === '..' || way.startsWith(`..${sep}`)) throw outside(path, folder)
  return real
}

/** Reads a file below a folder, to be sent. */
const readLocalFile = async (folder: string, path: string): Promise<{ name: string; content: Blob }> => {
  const file = await open(await below(folder, path, false), constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const { size } = await file.stat()
    if (size > largestFile) {
      throw new AppError('too_large', `${path} has ${size} bytes; a tool sends at most ${largestFile}`, {
        hint: 'Send it with `jetty files upload`.',
      })
    }
    return { name: basename(path), content: new Blob([new Uint8Array(await file.readFile())]) }
  } finally {
    await file.close()
  }
}

/** Writes a response into a new file below a folder, and returns its path. An existing file is never replaced. */
const saveLocalFile = async (folder: string, path: string, response: Response): Promise<string> => {
  const to = await below(folder, path, true)
  const file = await open(to, 'wx').catch((error) => {
    throw new AppError('conflict', `${path} cannot be written: ${messageOf(error)}`, { hint: 'Choose another name.' })
  })
  const body = response.body ?? new ReadableStream({ start: (control) => control.close() })
  await pipeline(Readable.fromWeb(body as never), file.createWriteStream())
  return to
}

/** Bytes of a file that one call returns as text, and of a picture that it shows. */
const mostBytes = { text: 48 * 1024, image: 1024 * 1024 } as const
/** Characters of a file that comes inside of a call. */
const mostInline = 1_000_000

const shownImages = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])
const textTypes = /^text\/|[/+](json|xml|yaml|javascript|x-ndjson|x-sh|csv|toml)\b/

const path = z.string().min(1).max(1_024).describe('Storage path, such as acme/report/0001/step.out.txt.')

const upload = async ({ call }: ToolContext, collection: string, name: string, content: Blob) => {
  const files = [{ field: 'file', name, content }]
  const answer = (await call('uploadFile', { body: { collection }, files })) as Record<string, unknown>
  const { path: stored, id, size, content_type } = answer
  return { value: { path: stored, id, size, content_type, use: 'Pass `path` in file_paths of run-and-wait.' } }
}

const uploadSchema = z.object({
  path: z.string(),
  id: z.string(),
  size: z.number(),
  content_type: z.string().nullable(),
  use: z.string(),
})

const decoded = (text: string | undefined, base64: string | undefined): Blob => {
  if (text !== undefined) return new Blob([text])
  if (base64 !== undefined) return new Blob([new Uint8Array(Buffer.from(base64, 'base64'))])
  throw new AppError('bad_request', 'Nothing to send: pass `text` or `base64`')
}

/** Reads a range of a file. */
const read = async ({ open }: ToolContext, of: string, offset: number, most: number) => {
  const range = { range: `bytes=${offset}-${offset + most - 1}` }
  const response = await open('downloadFile', { params: { path: of }, headers: range })
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? ''
  const whole = Number(response.headers.get('content-range')?.split('/')[1] ?? response.headers.get('content-length'))
  return { type, size: whole, bytes: Buffer.from(await response.arrayBuffer()) }
}

/** Ends a range before the first half of a character. */
const wholeCharacters = (bytes: Buffer): Buffer => {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes
  }
  return bytes
}

const shown = async (context: ToolContext, of: string, offset: number) => {
  const first = await read(context, of, offset, mostBytes.text)
  const { type, size } = first
  const about = { path: of, content_type: type, size }
  if (shownImages.has(type) && size <= mostBytes.image) {
    const { bytes } = first.bytes.length === size ? first : await read(context, of, 0, mostBytes.image)
    return { value: about, image: { mimeType: type, base64: bytes.toString('base64') } }
  }
  if (!textTypes.test(type) && first.bytes.includes(0)) {
    return {
      value: { ...about, note: 'Binary: get it with `jetty files download`, or here with save_to where offered.' },
    }
  }
  const bytes = wholeCharacters(first.bytes)
  const end = offset + bytes.length
  return { value: { ...about, offset, text: bytes.toString('utf8'), ...(end < size && { next_offset: end }) } }
}

const collection = z.string().min(1).describe('Collection that the file belongs to.')
const name = z.string().min(1).max(200).describe('File name, with its ending.')

export const fileTools = [
  endpointTool({
    name: 'list-run-files',
    title: 'List files of a run',
    description: 'Lists the files that were sent with a run or made by its steps. Read one with download-file.',
    operation: 'listRunFiles',
    takes: ['collection', 'task', 'trajectory_id', 'limit', 'cursor'],
    defaults: { limit: 50 },
    rest: (args) => ({ tool: 'list-run-files', args: { ...args, limit: 20 } }),
  }),
  composedTool({
    name: 'upload-file',
    title: 'Upload a file',
    description:
      'Stores a text or base64 bytes as a file, as input of a run: pass its path in file_paths of run-and-wait.',
    operations: ['uploadFile'],
    input: z.strictObject({
      collection,
      name,
      text: z.string().max(mostInline).optional().describe('Content of a text file.'),
      base64: z.base64().max(mostInline).optional().describe('Content of any other file.'),
    }),
    output: uploadSchema,
    run: async (context, args) => upload(context, args.collection, args.name, decoded(args.text, args.base64)),
  }),
  composedTool({
    name: 'upload-local-file',
    title: 'Upload a file of this machine',
    description: 'Sends a file below the folder in which this server was started, as input of a run.',
    operations: ['uploadFile'],
    needsFolder: true,
    input: z.strictObject({ collection, local_path: z.string().min(1).describe('Path of the file on this machine.') }),
    output: uploadSchema,
    run: async (context, args) => {
      const file = await readLocalFile(context.folder ?? '', args.local_path)
      return upload(context, args.collection, file.name, file.content)
    },
  }),
  composedTool({
    name: 'download-file',
    title: 'Read a stored file',
    description:
      'Reads a stored file: text in parts of 48 KiB (go on with next_offset), a picture as a picture. Paths stand in outputs and in list-run-files.',
    operations: ['downloadFile'],
    input: z.strictObject({ path, offset: z.int().min(0).default(0).describe('next_offset of the call before.') }),
    output: z.object({
      path: z.string(),
      content_type: z.string(),
      size: z.number(),
      offset: z.number().optional(),
      text: z.string().optional(),
      next_offset: z.number().optional(),
      note: z.string().optional(),
    }),
    run: async (context, args) => shown(context, args.path, args.offset),
  }),
  composedTool({
    name: 'save-file',
    title: 'Save a stored file on this machine',
    description: 'Downloads a stored file into a new file below the folder in which this server was started.',
    operations: ['downloadFile'],
    needsFolder: true,
    input: z.strictObject({ path, save_to: z.string().min(1).describe('Path of the new file on this machine.') }),
    output: z.object({ saved_to: z.string() }),
    run: async (context, args) => {
      const response = await context.open('downloadFile', { params: { path: args.path } })
      return { value: { saved_to: await saveLocalFile(context.folder ?? '', args.save_to, response) } }
    },
  }),
]

export const datasetTools = [
  endpointTool({
    name: 'list-datasets',
    title: 'List datasets',
    description: 'Lists the datasets of a collection.',
    operation: 'listDatasets',
    takes: ['collection', 'limit', 'skip'],
    defaults: { limit: 50 },
    show: (answer: { name: string; description: string | null; format: string | null }[]) =>
      answer.map(({ name, description, format }) => ({ name, description, format })),
    shows: z.object({ datasets: z.array(z.unknown()) }),
  }),
  endpointTool({
    name: 'search-datasets',
    title: 'Search datasets',
    description: 'Finds datasets by a text in their names, descriptions or metadata, public ones of others included.',
    operation: 'searchDatasets',
    takes: ['q', 'limit'],
  }),
  endpointTool({
    name: 'get-dataset',
    title: 'Get dataset',
    description: 'Shows one dataset with its metadata, the JSON Schema of its items and its splits.',
    operation: 'getDataset',
    takes: ['collection', 'dataset'],
  }),
  endpointTool({
    name: 'create-dataset',
    title: 'Create dataset',
    description: 'Creates a dataset. Add items with write-dataset-items.',
    operation: 'createDataset',
    takes: ['collection', 'name', 'long_description', 'item_schema', 'splits'],
  }),
  endpointTool({
    name: 'list-dataset-items',
    title: 'List items of a dataset',
    description: 'Lists items of a version of a dataset, or those with a text: their ids and data.',
    operation: 'listItems',
    takes: ['collection', 'dataset', 'version', 'split', 'q', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: (args) => ({ tool: 'list-dataset-items', args: { ...args, limit: 5 } }),
  }),
  endpointTool({
    name: 'write-dataset-items',
    title: 'Write items of a dataset',
    description:
      'Adds, changes and removes items as one new version. Earlier versions keep their items. Items that do not fit the item_schema are refused.',
    operation: 'writeItems',
    takes: ['collection', 'dataset', 'items', 'remove', 'mode'],
  }),
  endpointTool({
    name: 'add-run-to-dataset',
    title: 'Add a run to a dataset',
    description:
      'Makes an item of a run, or of one step of it: its parameters, and as expected result its output or a correction.',
    operation: 'addItemFromRun',
    takes: ['collection', 'dataset', 'trajectory_id', 'step', 'correction', 'output_path', 'without_expected', 'id'],
  }),
  endpointTool({
    name: 'list-dataset-results',
    title: 'List results of a dataset',
    description:
      'Shows which items have a result of a task, and which results are stale because the item or the workflow has changed.',
    operation: 'listDatasetResults',
    takes: ['collection', 'dataset', 'task', 'version', 'split', 'state', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: (args) => ({ tool: 'list-dataset-results', args: { ...args, limit: 5 } }),
  }),
  endpointTool({
    name: 'run-over-dataset',
    title: 'Run a task over a dataset',
    description:
      'Starts a run of a task for each item of a dataset version or split, as one batch that survives crashes. With changed_only, results that still hold are taken over.',
    operation: 'runBatch',
    takes: ['collection', 'task', 'version', 'dataset', 'split', 'changed_only', 'max_concurrency', 'name', 'labels'],
    simpler: { version: z.string().optional().describe('Version or tag of the task.') },
  }),
]
