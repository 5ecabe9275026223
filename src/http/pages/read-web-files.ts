import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** Allows scripts, styles and fonts of this server only, no requests to others, and no inline scripts. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "frame-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

/** Headers of the page that all addresses of the web show. */
const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // The Referer goes to this server only, which uses it to detect requests from other ports of the host.
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
}

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  gif: 'image/gif',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
  woff2: 'font/woff2',
}

/** Headers of a file beside the page. The name of an asset has a hash of its content, so it never changes. */
const fileHeaders = (name: string, isAsset: boolean): Record<string, string> => ({
  'content-type': types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
  'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
})

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
