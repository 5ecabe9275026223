import { readFileSync } from 'node:fs'

/** Where the limit cannot be read, as on macOS. */
const usually = 10_240

/** How many files and connections this process may have open. */
export const descriptorLimit = (): number => {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft) || usually
  } catch {
    return usually
  }
}
