import { runTool } from '../programs/run-tool.ts'

const run = async (file: string, args: readonly string[]): Promise<void> => {
  const { code, stderr } = await runTool(file, args)
  if (code !== 0) throw new Error(`${file}: ${stderr.slice(0, 1000)}`)
}

/**
 * Removes folders that others have filled, whatever is in them. Node's own `rm` goes by whole paths, and fails where they
 * are longer than the system takes; of a million files it is also several times slower, in the process that serves.
 */
export const removeTree = async (...folders: string[]): Promise<void> => {
  try {
    await run('rm', ['-rf', '--', ...folders])
  } catch {
    await run('chmod', ['-R', 'u+rwX', '--', ...folders]).catch(() => {}) // folders that their owner has closed; follows no link
    await run('rm', ['-rf', '--', ...folders])
  }
}
