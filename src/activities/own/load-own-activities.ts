import { readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Activity, ActivityRegistry } from '../activity.ts'
import { importActivities, moduleEndings, problemsOf, whyNotSafe } from './import-modules.ts'
import { inServer } from './in-server.ts'

const isModule = (name: string): boolean =>
  moduleEndings.includes(extname(name)) && !/^[._]|\.d\.m?ts$|\.(test|spec)\.\w+$/.test(name)

const filesIn = async (folder: string): Promise<string[]> => {
  try {
    const problem = await whyNotSafe(folder)
    if (problem !== undefined) throw new Error(problem)
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter((entry) => !entry.isDirectory() && isModule(entry.name))
      .map(({ name }) => name)
      .sort()
  } catch (error) {
    throw new AppError('invalid', `JETTY_ACTIVITIES_DIR: ${folder} cannot be used: ${messageOf(error)}`, {
      hint: 'Name a folder of modules that the server may read, or unset JETTY_ACTIVITIES_DIR.',
      cause: error,
    })
  }
}

/**
 * Loads the activities of a folder. Throws `invalid` with every problem of every file, so that a server never starts without
 * an activity that its workflows use.
 */
export const loadOwnActivities = async (folder: string, builtin: ActivityRegistry): Promise<Activity[]> => {
  const modules = await Promise.all((await filesIn(folder)).map((name) => importActivities(join(folder, name))))
  const problems = problemsOf(modules, (name) => builtin.has(name))
  if (problems.length > 0) {
    const text = problems.map((problem) => `\n- ${problem}`).join('')
    throw new AppError('invalid', `JETTY_ACTIVITIES_DIR: modules in ${folder} cannot be used:${text}`, {
      hint: 'Correct or remove these files, then start the server again. /docs/own-activities.md shows a module.',
    })
  }
  return modules.flatMap(({ file, activities }) => activities.map((own) => inServer(own, file)))
}
