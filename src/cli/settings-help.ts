import { settingList } from '../lib/config.ts'

/** The settings as the end of a help text: every one is an environment variable, and none is required. */
export const settingsHelp = (): string => {
  const width = Math.max(...settingList.map((setting) => setting.variable.length))
  const lines = settingList.map(
    ({ variable, description, default: preset, example }) =>
      `  ${variable.padEnd(width)}  ${description}\n  ${' '.repeat(width)}  ${preset ? `default ${preset}, ` : ''}for example ${example}`,
  )
  return `\nSettings (environment variables, all optional):\n${lines.join('\n')}\n`
}
