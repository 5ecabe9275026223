import { spawn } from 'node:child_process'

const openers: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['explorer.exe'],
  linux: ['xdg-open'],
}

/** Asks the desktop to open a page; without one nothing happens, and the URL is printed anyway. */
export const openInBrowser = (url: string): void => {
  const opener = openers[process.platform]
  if (!opener || !/^https?:\/\//.test(url)) return
  const [command, ...rest] = opener
  spawn(command, [...rest, url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}
