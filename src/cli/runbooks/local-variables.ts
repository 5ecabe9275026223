import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { settingList } from '../../lib/settings/config.ts'
import { parseDotenv } from '../input/dotenv.ts'
import { readInputText } from '../input/inputs.ts'

export interface LocalVariables {
  get(name: string): string | undefined
  set(name: string, value: string): void
  /** Everything from files, and typed values. */
  fromFiles(): [name: string, value: string][]
}

/** A `.env` file beside a runbook may provide values, but neither base URLs nor settings of this machine. */
const isPlaceOrSetting = (name: string): boolean => name.endsWith('_BASE_URL') || name.startsWith('JETTY_')

const readVariables = (path: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(existsSync(path) ? parseDotenv(readInputText(path), path) : {}).filter(
      ([name]) => !isPlaceOrSetting(name),
    ),
  )

/** Base URLs of models are trusted settings of this machine, not variables. */
const addresses = new Set(
  settingList.map(({ variable }) => variable).filter((variable) => variable.endsWith('_BASE_URL')),
)

/** Variables of a local runbook: of this process, then `.env` here, then `.env` beside the file. */
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
