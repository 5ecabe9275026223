import { stat } from 'node:fs/promises'
import * as nodeModule from 'node:module'
import { basename, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf } from '../../lib/errors.ts'
import * as publicModule from './declare.ts'
import type { OwnActivity } from './own-activity.ts'
import { readActivityModule } from './read-module.ts'

/** Modules that this process provides, by specifier. */
const provided: Record<string, Readonly<Record<string, unknown>>> = {}
const key = 'jetty.provided-modules'

/** Source of a module that exports the values which this process holds. */
const sourceOf = (specifier: string, exports: object): string =>
  [
    `const given = globalThis[Symbol.for(${JSON.stringify(key)})][${JSON.stringify(specifier)}]`,
    ...Object.keys(exports).map((name) => `export const ${name} = given.${name}`),
  ].join('\n')

type Resolve = (specifier: string, context: object, next: (specifier: string, context: object) => unknown) => unknown
type RegisterHooks = (hooks: { resolve: Resolve }) => void

/** Runs in a thread of its own, where nothing of this file exists. */
const hooksSource = (urls: Record<string, string>): string =>
  `const urls = new Map(Object.entries(${JSON.stringify(urls)}))
export const resolve = (specifier, context, next) =>
  urls.has(specifier) ? { url: urls.get(specifier), format: 'module', shortCircuit: true } : next(specifier, context)`

const dataUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`

/**
 * Lets modules of any folder import `specifier`: they get the values of this very process, so that no installed package is
 * needed beside them, and no second copy of a class exists.
 */
const provideModule = (specifier: string, exports: Readonly<Record<string, unknown>>): void => {
  if (Object.hasOwn(provided, specifier)) return
  provided[specifier] = exports
  Object.defineProperty(globalThis, Symbol.for(key), { value: provided, configurable: true })
  const url = dataUrl(sourceOf(specifier, exports))
  // Node 22.15 and newer: in this thread, without the thread that `register` starts.
  const registerHooks = (nodeModule as unknown as { registerHooks?: RegisterHooks }).registerHooks
  if (!registerHooks) {
    nodeModule.register(dataUrl(hooksSource({ [specifier]: url })))
    return
  }
  registerHooks({
    resolve: (asked, context, next) =>
      asked === specifier ? { url, format: 'module', shortCircuit: true } : next(asked, context),
  })
}

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
