import { fileURLToPath } from 'node:url'
import type { HttpLog } from '../http/options.ts'
import { makePages, type Pages } from '../http/pages/pages.ts'
import { readWebFiles } from '../http/pages/read-web-files.ts'
import type { Settings } from '../lib/settings/config.ts'

/** Where the build puts the pages, seen from src and from dist. */
const builtFolder = fileURLToPath(new URL('../../dist/web', import.meta.url))

/** Reads the pages that this server shows; undefined when it shall not, or when they were not built. */
export const openPages = (
  { web, role }: Pick<Settings, 'web' | 'role'>,
  log: Pick<HttpLog, 'warn'>,
  folder = builtFolder,
): Pages | undefined => {
  if (!web || role === 'worker') return undefined
  const files = readWebFiles(folder)
  if (!files) log.warn({ folder }, 'there are no pages: the web was not built')
  return files && makePages(files)
}
