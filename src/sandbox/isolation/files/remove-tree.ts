import { lstatSync } from 'node:fs'
import { rmdir, unlink } from 'node:fs/promises'
import { runTool } from '../programs/run-tool.ts'
import { smallTree } from './small-tree.ts'

const run = async (file: string, args: readonly string[]): Promise<void> => {
  const { code, stderr } = await runTool(file, args)
  if (code !== 0) throw new Error(`${file}: ${stderr.slice(0, 1000)}`)
}

/**
 * Removes a small folder without a process; false when it is larger, or something is in the way. Each removal leaves the
 * thread: ext4 waits for its journal, a millisecond a folder.
 */
const removeSmall = async (folder: string): Promise<boolean> => {
  try {
    for (const { path, stats } of smallTree(folder)) {
      await (stats.isDirectory() ? rmdir(path) : unlink(path))
    }
    await rmdir(folder)
    return true
  } catch {
    return lstatSync(folder, { throwIfNoEntry: false }) === undefined
  }
}

/**
 * Removes folders with hostile content. Node's `rm` works with whole paths and fails where they exceed the system's
 * limit; for a million files it is also several times slower, and blocks the server.
 */
export const removeTree = async (...folders: string[]): Promise<void> => {
  const left: string[] = []
  for (const folder of folders) if (!(await removeSmall(folder))) left.push(folder)
  if (left.length === 0) return
  try {
    await run('rm', ['-rf', '--', ...left])
  } catch {
    // opens folders that their owner has closed; follows no link
    await run('chmod', ['-R', 'u+rwX', '--', ...left]).catch(() => {})
    await run('rm', ['-rf', '--', ...left])
  }
}
