import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { smallTree } from '../files/small-tree.ts'
import { systemPath } from '../programs/run-tool.ts'
import { needRoomForChild } from '../programs/start-program.ts'
import type { SandboxLimits } from '../sandbox.ts'

export interface DiskUse {
  bytes: number
  files: number
}

type DiskLimits = Pick<SandboxLimits, 'diskBytes' | 'diskFiles'>

/** Unit in which the system counts what a file occupies. */
export const blockBytes = 512

/** Counts files as they are found, each hard link once. */
const makeCount = () => {
  const use: DiskUse = { bytes: 0, files: 0 }
  const linked = new Set<string>()
  return {
    use,
    add(blocks: number, links: number, inode: string) {
      use.files++
      if (links !== 1 && linked.has(inode)) return
      if (links !== 1) linked.add(inode)
      use.bytes += blocks * blockBytes
    },
  }
}

/** Measures small folders without a process; undefined when they are larger, or cannot be opened. */
const measureSmall = (folders: readonly string[]): DiskUse | undefined => {
  const { use, add } = makeCount()
  try {
    for (const folder of folders)
      for (const { stats } of smallTree(folder)) add(stats.blocks, stats.nlink, `${stats.dev}:${stats.ino}`)
    return use
  } catch {
    return undefined
  }
}

/** Measures with the system's `find`, which follows no link and is stopped as soon as the limit is passed. */
const measureWithFind = (
  folders: readonly string[],
  { diskBytes, diskFiles }: DiskLimits,
  signal?: AbortSignal,
): Promise<DiskUse> =>
  new Promise((resolve, reject) => {
    const args = ['-P', ...folders, '-xdev', '-mindepth', '1', '-printf', '%b %n %D:%i\\n']
    needRoomForChild(1)
    const child = spawn('find', args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: systemPath, LC_ALL: 'C' },
      ...(signal && { signal }),
    })
    const { use, add } = makeCount()
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [blocks = '0', links = '1', inode = ''] = line.split(' ')
      add(Number(blocks), Number(links), inode)
      if (use.bytes >= diskBytes || use.files > diskFiles) child.kill('SIGKILL')
    })
    child.once('error', reject)
    child.once('close', () => resolve(use))
  })

/** Measures what folders occupy on disk: allocated bytes, so that a sparse file counts by its blocks, and each hard link once. */
export const measureDisk = async (
  folders: readonly string[],
  limits: DiskLimits,
  signal?: AbortSignal,
): Promise<DiskUse> => measureSmall(folders) ?? measureWithFind(folders, limits, signal)
