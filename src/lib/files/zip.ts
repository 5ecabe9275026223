import { PassThrough, type Readable } from 'node:stream'

/** A file of an archive. `open` is called when the archive reaches it, one file at a time. */
export interface ZipEntry {
  /** Relative, with forward slashes. */
  name: string
  modified: Date
  open(): Promise<Readable>
}

/** yazl refuses a name that begins like a Windows drive, but `a:b.txt` is a valid name of a stored file. */
const withoutDrive = (name: string): string => name.replace(/^([a-z]):/i, '$1_')

/**
 * Streams a ZIP archive: one file at a time, with backpressure, ZIP64 where sizes need it. An error of a file destroys
 * the stream, and destroying the stream closes the file that is open.
 */
export const zipArchive = async (entries: Iterable<ZipEntry>): Promise<Readable> => {
  const { ZipFile } = await import('yazl') // loaded on first use: it takes 20 ms
  const zip = new ZipFile()
  const output = new PassThrough()
  let source: Readable | undefined
  const fail = (error: unknown) => output.destroy(error as Error)
  zip.on('error', fail)
  zip.outputStream.pipe(output)
  output.once('close', () => source?.destroy())
  for (const { name, modified, open } of entries) {
    zip.addReadStreamLazy(withoutDrive(name), { mtime: modified, compressionLevel: 1 }, (give) => {
      open().then((opened) => {
        source = opened.once('error', fail) // yazl only pipes: it neither forwards errors nor closes its sources
        if (output.destroyed) source.destroy()
        else give(null, source)
      }, fail)
    })
  }
  zip.end()
  return output
}
