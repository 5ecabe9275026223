import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemPath } from './run-tool.ts'

/** The programs of the platform that run inside, each a file. */
export const toolsFolder = fileURLToPath(new URL('../inside', import.meta.url))

/** A program by its name, in the folders of the system and in those of the server's PATH. */
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
