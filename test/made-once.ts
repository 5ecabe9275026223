import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'

/** What is made takes seconds, in which a second worker that makes the same would take CPU from the first. */
const lookAgainMs = 20
const longestMs = 120_000

/** Makes a folder; undefined while another worker has it. */
const claim = (folder: string): string | undefined => {
  try {
    mkdirSync(folder)
    return folder
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
}

/** A folder that one worker of a test run makes, in a draft with this mode, while others that need it wait. */
export const madeOnce = (folder: string, mode: number, make: (draft: string) => void): string => {
  for (const giveUpAt = Date.now() + longestMs; !existsSync(folder); ) {
    const draft = claim(`${folder}.new`)
    if (!draft && Date.now() > giveUpAt) throw new Error(`Another worker has not made ${folder}: was it killed?`)
    if (!draft) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookAgainMs)
    else makeAs(folder, draft, mode, make)
  }
  return folder
}

const makeAs = (folder: string, draft: string, mode: number, make: (draft: string) => void): void => {
  try {
    if (existsSync(folder)) return // it was made between the look and the claim
    chmodSync(draft, mode)
    make(draft)
    renameSync(draft, folder)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
