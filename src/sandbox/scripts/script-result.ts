import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ScriptOutcome } from '../../model/scripts/script-run.ts'
import { walkResults } from '../isolation/files/walk-results.ts'

/** Name of the file that holds the result. */
export const outputName = 'output.json'

/** Maximum bytes of the result: more would keep the server from other work while it is read. */
const mostResultBytes = 32 * 1024 ** 2

const isMissing = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => false,
    () => true,
  )

/**
 * Reads the result that a script has left in its folder. The folder is hostile: links are not followed, and the file may be
 * of any size and kind. Call it when nothing in the sandbox is alive.
 */
export const readScriptResult = async (app: string): Promise<ScriptOutcome['result']> => {
  if (await isMissing(join(app, outputName))) return { text: null }
  const limits = { files: 1, bytes: Number.MAX_SAFE_INTEGER, first: [outputName], entries: 0 }
  for await (const found of walkResults(app, limits)) {
    if (found.kind !== 'file' || found.path !== outputName) continue
    if (found.size > mostResultBytes) {
      return {
        problem: `it has ${byteSize(found.size)}, of at most ${byteSize(mostResultBytes)}; write a file to results/`,
      }
    }
    return readText(found.open())
  }
  return { problem: 'it is not a readable file' }
}

const readText = async (body: AsyncIterable<Uint8Array>): Promise<ScriptOutcome['result']> => {
  const bytes = await readWhole(body).catch(() => undefined)
  if (!bytes) return { problem: 'its bytes cannot be read' }
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  if (text.trim() === '') return { text: null }
  if (isDeeperThan(text, maxJsonDepth)) return { problem: `it is nested deeper than ${maxJsonDepth} levels` }
  try {
    JSON.parse(text)
    return { text }
  } catch (error) {
    return { problem: (error as Error).message }
  }
}
