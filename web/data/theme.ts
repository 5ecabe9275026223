import { readStored, writeStored } from './stored.ts'

export const themes = ['system', 'light', 'dark'] as const
type Theme = (typeof themes)[number]

const isTheme = (text: string | undefined): text is Theme => themes.some((theme) => theme === text)

/** The theme of this browser; `system` follows the device. */
const readTheme = (): Theme => {
  const stored = readStored('theme')
  return isTheme(stored) ? stored : 'system'
}

/** Shows the pages in the theme of this browser. */
export const applyTheme = (): void => {
  const theme = readTheme()
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export const setTheme = (theme: Theme): void => {
  writeStored('theme', theme === 'system' ? undefined : theme)
  applyTheme()
}
