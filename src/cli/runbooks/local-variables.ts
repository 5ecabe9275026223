import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { settingList } from '../../lib/settings/config.ts'
import { parseDotenv } from '../input/dotenv.ts'
import { readText } from '../input/inputs.ts'

export interface LocalVariables {
  get(name: string): string | undefined
  set(name: string, value: string): void
  /** Everything from files, and what was typed. */
  fromFiles(): [name: string, value: string][]
}

/**
 * A file that came with a runbook gives values. It may not say where they are sent, or what this machine does with
 * them.
 */
const isPlaceOrSetting = (name: string): boolean => name.endsWith('_BASE_URL') || name.startsWith('JETTY_')

const readVariables = (path: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(existsSync(path) ? parseDotenv(readText(path), path) : {}).filter(
      ([name]) => !isPlaceOrSetting(name),
    ),
  )

/** Where models are asked is a setting of this machine, and trusted; as a variable it would be anybody's. */
const addresses = new Set(
  settingList.map(({ variable }) => variable).filter((variable) => variable.endsWith('_BASE_URL')),
)

/** The variables of a runbook without a server: those of this process, then `.env` here, then `.env` beside the file. */
export const readLocalVariables = (file: string): LocalVariables => {
  const folders = file === '-' ? [process.cwd()] : [dirname(resolve(file)), process.cwd()]
  const values = Object.assign({}, ...folders.map((folder) => readVariables(resolve(folder, '.env')))) as Record<
    string,
    string
  >
  return {
    get(name) {
      if (addresses.has(name)) return undefined
      return process.env[name] || (Object.hasOwn(values, name) ? values[name] : undefined)
    },
    set(name, value) {
      values[name] = value
    },
    fromFiles: () => Object.entries(values),
  }
}
