import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { fileHeaders, pageHeaders } from './page-headers.ts'

/** A file of the web in memory, as it is sent. */
export interface WebFile {
  bytes: Buffer
  /** The compressed file; undefined if compression saves nothing. */
  packed: Buffer | undefined
  headers: Readonly<Record<string, string>>
}

/** Files by their path in URLs, such as `assets/index-B3x.js`. */
export type WebFiles = ReadonlyMap<string, WebFile>

/** The build writes this one about the others. */
const isPublic = (path: string): boolean => path !== 'manifest.json' && !path.startsWith('.')

const packable = /\.(css|html|js|json|map|svg|txt|webmanifest)$/

const readWebFile = (folder: string, path: string): WebFile => {
  const bytes = readFileSync(join(folder, path))
  const packedPath = join(folder, `${path}.gz`)
  const packed = existsSync(packedPath) ? readFileSync(packedPath) : packable.test(path) ? gzipSync(bytes) : undefined
  const headers = path === 'index.html' ? pageHeaders : fileHeaders(path, path.startsWith('assets/'))
  return { bytes, packed: packed && packed.length < bytes.length ? packed : undefined, headers }
}

const filesIn = (folder: string): [path: string, file: WebFile][] => {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map(({ parentPath, name }) =>
    join(parentPath, name)
      .slice(folder.length + 1)
      .replaceAll('\\', '/'),
  )
  return paths
    .filter((path) => isPublic(path) && !path.endsWith('.gz'))
    .map((path) => [path, readWebFile(folder, path)])
}

/**
 * Reads the built web into memory, once: no path of a request reaches the file system, and an upgrade that replaces the
 * folder changes nothing for the server that still runs. The assets of the build before are there too, so that a tab that
 * was opened before an upgrade can still load its parts. Undefined when the web is not built.
 */
export const readWebFiles = (folder: string): WebFiles | undefined => {
  const files = new Map(filesIn(folder))
  if (!files.has('index.html')) return undefined
  for (const [path, file] of filesIn(join(folder, '..', 'web-before'))) {
    if (path.startsWith('assets/') && !files.has(path)) files.set(path, file)
  }
  return files
}
