import { AppError, messageOf } from '../../lib/errors.ts'
import type { Activity, ActivityRegistry } from '../activity.ts'
import { importActivities, problemsOf } from './import-modules.ts'
import { inServer } from './in-server.ts'
import { modulePathsIn } from './module-folder.ts'

const unusable = (folder: string, error: unknown): AppError =>
  new AppError('invalid', `JETTY_ACTIVITIES_DIR: ${folder} cannot be used: ${messageOf(error)}`, {
    hint: 'Name a folder of modules that the server may read, or unset JETTY_ACTIVITIES_DIR.',
    cause: error,
  })

/**
 * Loads the activities of a folder. Throws `invalid` with every problem of every file, so that a server never starts without
 * an activity that its workflows use.
 */
export const loadOwnActivities = async (folder: string, builtin: ActivityRegistry): Promise<Activity[]> => {
  const paths = await modulePathsIn(folder).catch((error) => {
    throw unusable(folder, error)
  })
  const modules = await Promise.all(paths.map(importActivities))
  const problems = problemsOf(modules, (name) => builtin.has(name))
  if (problems.length > 0) {
    const text = problems.map((problem) => `\n- ${problem}`).join('')
    throw new AppError('invalid', `JETTY_ACTIVITIES_DIR: modules in ${folder} cannot be used:${text}`, {
      hint: 'Correct or remove these files, then start the server again. /docs/own-activities.md shows a module.',
    })
  }
  return modules.flatMap(({ file, activities }) => activities.map((own) => inServer(own, file)))
}
