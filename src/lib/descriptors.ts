import { readFileSync } from 'node:fs'

/** Fallback where the limit cannot be read, as on macOS. */
const usually = 10_240

/** Maximum open files and connections of this process. */
export const descriptorLimit = (): number => {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft) || usually
  } catch {
    return usually
  }
}
