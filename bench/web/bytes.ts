import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { root } from '../lib/built.ts'
import { sum } from '../lib/numbers.ts'
import type { Report } from '../lib/report.ts'

/** A chunk as the manifest of the build has it. */
interface Chunk {
  file: string
  isEntry?: true
  isDynamicEntry?: true
  imports?: string[]
  css?: string[]
}

type Manifest = Record<string, Chunk>

const folder = join(root, 'dist/web')

/** All that a browser loads before a chunk runs: it, and what it imports. */
const filesOf = (manifest: Manifest, name: string, found = new Set<string>()): Set<string> => {
  const chunk = manifest[name]
  if (!chunk || found.has(chunk.file)) return found
  for (const file of [chunk.file, ...(chunk.css ?? [])]) found.add(file)
  for (const one of chunk.imports ?? []) filesOf(manifest, one, found)
  return found
}

const sizesOf = (file: string): { raw: number; packed: number } => {
  const bytes = readFileSync(join(folder, file))
  return { raw: bytes.length / 1000, packed: gzipSync(bytes, { level: 9 }).length / 1000 }
}

const kbOf = (files: Iterable<string>, ending: string) => {
  const sizes = [...files].filter((file) => file.endsWith(ending)).map(sizesOf)
  return { raw: sum(sizes.map(({ raw }) => raw)), packed: sum(sizes.map(({ packed }) => packed)) }
}

/** Weighs the script and style of the first route, and what each page and part adds to it. */
export const measureBytes = (report: Report): void => {
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest
  const [entry = ''] = Object.keys(manifest).filter((name) => manifest[name]?.isEntry)
  const first = filesOf(manifest, entry)
  const script = kbOf(first, '.js')
  const style = kbOf(first, '.css')
  const later = Object.keys(manifest).filter((name) => manifest[name]?.isDynamicEntry)
  const added = later.map((name) => {
    const files = [...filesOf(manifest, name)].filter((file) => !first.has(file))
    const [code, look] = [kbOf(files, '.js'), kbOf(files, '.css')]
    return { name, cells: [code.raw, code.packed, look.packed] }
  })
  added.sort((one, other) => (other.cells[1] ?? 0) - (one.cells[1] ?? 0))
  report.table('kB of what a browser loads', [
    ['', 'script', 'script, gzip', 'style, gzip'],
    ['first route', script.raw, script.packed, style.packed],
    ...added.map(({ name, cells }) => [`added by ${name}`, ...cells]),
  ])
  const chunks = Object.values(manifest).flatMap(({ file, css = [] }) => [file, ...css])
  const texts = [...new Set(chunks)]
    .filter((file) => /\.(js|css)$/.test(file))
    .map((file) => ({ file, ...sizesOf(file) }))
  report.table('kB of each chunk', [
    ['', 'raw', 'gzip'],
    ...texts.sort((one, other) => other.packed - one.packed).map(({ file, raw, packed }) => [file, raw, packed]),
  ])
  report.aim('script of the first route, gzip', script.packed, 'at most', 150, ' kB')
}
