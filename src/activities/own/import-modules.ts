import { stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf } from '../../lib/errors.ts'
import * as publicModule from './declare.ts'
import type { OwnActivity } from './own-activity.ts'
import { provideModule } from './provided-modules.ts'
import { readActivityModule } from './read-module.ts'

/** The activities of a file, or what is wrong with it. */
interface ImportedModule {
  file: string
  activities: OwnActivity[]
  problems: string[]
}

/** Endings of files that are imported; TypeScript only where Node strips its types. */
export const moduleEndings = ['.js', '.mjs', '.ts', '.mts']

const longestImportMs = 30_000

const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)

/** A top-level `await` that never ends would keep the server from starting without a word. */
const importInTime = async (path: string): Promise<Record<string, unknown>> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new Error(
      `it did not finish loading within ${longestImportMs / 1000} s; look for an await at its top level`,
    )
    timer = setTimeout(() => reject(error), longestImportMs)
  })
  try {
    return await Promise.race([import(pathToFileURL(path).href), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Whoever may write a file or folder of modules can run code as this process. */
export const whyNotSafe = async (path: string): Promise<string | undefined> => {
  const { mode } = await stat(path)
  const isOpen = process.platform !== 'win32' && (mode & 0o002) !== 0
  return isOpen ? `every user of this machine may change it; run: chmod o-w ${path}` : undefined
}

const whyNotLoadable = (path: string): string | undefined => {
  if (!moduleEndings.includes(extname(path))) return `expected a file that ends in ${moduleEndings.join(', ')}`
  if (stripsTypes || !/ts$/.test(path)) return undefined
  return `Node ${process.versions.node} does not load TypeScript: compile it to .mjs, or use Node 22.18 or newer`
}

/** Imports a file and reads its activities; never throws. */
export const importActivities = async (path: string): Promise<ImportedModule> => {
  const file = basename(path)
  try {
    const problem = whyNotLoadable(path) ?? (await whyNotSafe(path))
    if (problem !== undefined) return { file, activities: [], problems: [problem] }
    provideModule('jetty-server/activity', publicModule)
    return { file, ...readActivityModule(await importInTime(path)) }
  } catch (error) {
    return { file, activities: [], problems: [`cannot be loaded: ${messageOf(error)}`] }
  }
}

/** Problems of modules as lines, each with its file; an activity that two files declare is one. */
export const problemsOf = (modules: readonly ImportedModule[], taken: (name: string) => boolean): string[] => {
  const owners = new Map<string, string>()
  const lines: string[] = []
  for (const { file, activities, problems } of modules) {
    lines.push(...problems.map((problem) => `${file}: ${problem}`))
    for (const { name } of activities) {
      const owner = owners.get(name)
      if (taken(name)) lines.push(`${file}: '${name}' is the name of a built-in activity; choose another one`)
      else if (owner !== undefined) lines.push(`${file}: ${owner} also declares '${name}'; rename one of the two`)
      owners.set(name, file)
    }
  }
  return lines
}
