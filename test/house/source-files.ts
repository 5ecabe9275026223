import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

const skipped = new Set(['node_modules', 'dist', 'coverage'])

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return []
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesBelow(path) : [path]
  })

const folders = readdirSync(root).filter((name) => ['src', 'test', 'bench', 'web', 'scripts'].includes(name))

/** Every file of ours, as a path from the root with forward slashes. */
export const ourFiles = folders.flatMap(filesBelow)

const isProgram = (path: string): boolean => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path)

/** The code that runs in production on the server and in the command line: the TypeScript of src without its tests. */
export const programFiles = ourFiles.filter((path) => path.startsWith('src/') && isProgram(path))

/** The code that runs in browsers, and the configuration of its build. */
export const webFiles = ourFiles.filter((path) => path.startsWith('web/') && isProgram(path))

export const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')
