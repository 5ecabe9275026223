import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where tests keep coding agents: fetched once, for all of them, and by later ones found there. */
export const agentsFolder = (): string => {
  const folder = fileURLToPath(new URL('../../node_modules/.cache/jetty-agents', import.meta.url))
  mkdirSync(folder, { recursive: true })
  return folder
}
