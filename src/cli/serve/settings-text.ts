import { settingList } from '../../lib/settings/config.ts'

/** Lists every setting with its default and an example; none is required. */
export const settingsText = (): string => {
  const width = Math.max(...settingList.map((setting) => setting.variable.length))
  const lines = settingList.map(
    ({ variable, description, default: preset, example }) =>
      `  ${variable.padEnd(width)}  ${description}\n  ${' '.repeat(width)}  ${preset ? `default ${preset}, ` : ''}for example ${example}`,
  )
  return `${lines.join('\n')}\n`
}
