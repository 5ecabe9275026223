/** Prints how the code of `src` and `web` is cut: `npm run house`. Tests, fixtures and what is built do not count. */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

const skipped = ['node_modules', 'dist', 'fixtures']
const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return skipped.includes(entry.name) ? [] : filesBelow(path)
    return /\.(tsx?|mjs|cjs)$/.test(entry.name) && !/\.test\.tsx?$/.test(entry.name) ? [path] : []
  })

const texts = new Map(['src', 'web'].flatMap(filesBelow).map((path) => [path, readFileSync(path, 'utf8')]))

/** Lines that are neither empty nor comments. */
const codeLines = (text) =>
  text
    .replace(/^\s*\/\*.*?\*\/\s*$/gms, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length

const sizes = [...texts.values()].map(codeLines).sort((a, b) => a - b)
const total = sizes.reduce((sum, size) => sum + size, 0)

/** Lines of the file in which the line stands that has half of all lines in smaller files. */
const homeOfMedianLine = () => {
  let passed = 0
  return sizes.find((size) => {
    passed += size
    return passed >= total / 2
  })
}

const importers = new Map([...texts.keys()].map((path) => [path, new Set()]))
for (const [path, text] of texts) {
  for (const [, to] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
    importers.get(posix.join(posix.dirname(path), to))?.add(path)
  }
}

const count = (pattern) => [...texts.values()].reduce((sum, text) => sum + (text.match(pattern)?.length ?? 0), 0)
const rooms = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())

console.table({
  'lines of code': total,
  files: texts.size,
  'rooms of src': rooms.length,
  'lines of the median file': sizes[sizes.length >> 1],
  'lines of the file in which the median line stands': homeOfMedianLine(),
  'files with exactly one importer': [...importers.values()].filter(({ size }) => size === 1).length,
  'casts of rows (`query<T>`, `rows<T>`)': count(/\b(rows|query)<[A-Z{(]/g),
  'places that name catch_up': count(/\bcatch_up\b/g),
})
