import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemPath } from './run-tool.ts'

/** Folder of the platform's programs that run inside sandboxes. */
export const toolsFolder = fileURLToPath(new URL('../inside', import.meta.url))

/** Finds a program by name in the system folders and in the server's PATH. */
export const findProgram = (name: string): string | undefined =>
  [...systemPath.split(':'), ...(process.env.PATH ?? '').split(':')]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
