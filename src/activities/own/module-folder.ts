import { readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { moduleEndings, whyNotSafe } from './import-modules.ts'

const isModule = (name: string): boolean =>
  moduleEndings.includes(extname(name)) && !/^[._]|\.d\.m?ts$|\.(test|spec)\.\w+$/.test(name)

/** Paths of the modules right in a folder, in order. Throws if it cannot be read, or if everyone may write to it. */
export const modulePathsIn = async (folder: string): Promise<string[]> => {
  const problem = await whyNotSafe(folder)
  if (problem !== undefined) throw new Error(problem)
  const entries = await readdir(folder, { withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory() && isModule(entry.name))
  return files.map(({ name }) => join(folder, name)).sort()
}
