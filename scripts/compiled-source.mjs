// A plugin for Vite and Rolldown, by which tests get src as JavaScript (scripts/compile.mjs).
import { dirname, join, resolve } from 'node:path'
import { compiledFolder, root } from './prepare.mjs'

const source = join(root, 'src')

/**
 * Who imports a module of src gets the one that was compiled into a folder, and Node itself loads it. Vitest would transform
 * it for each worker, and reach everything that a module imports through a getter.
 */
export const compiledSource = (folder = compiledFolder) => ({
  name: 'compiled-source',
  enforce: 'pre',
  resolveId(id, importer) {
    if (!importer || !/^\.{0,2}\//.test(id)) return undefined
    const path = resolve(dirname(importer), id)
    if (!path.startsWith(`${source}/`) || !path.endsWith('.ts') || path.endsWith('.test.ts')) return undefined
    return join(folder, path.slice(source.length)).replace(/ts$/, 'js')
  },
})
