import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { hasChromium } from '../../test/e2e/chromium.ts'

/** Programs that benchmarks need and npm does not bring, with their packages in Debian. */
const packages = {
  bwrap: 'bubblewrap',
  chromium: 'chromium',
  python3: 'python3',
  taskset: 'util-linux',
  wrk: 'wrk',
} as const

export type Program = keyof typeof packages

const isThere = (program: Program): boolean =>
  program === 'chromium'
    ? hasChromium()
    : (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))

/** Says which of the programs are missing and what brings them; undefined where none is. */
export const missingPrograms = (needed: readonly Program[]): string | undefined => {
  const missing = needed.filter((program) => !isThere(program))
  if (missing.length === 0) return undefined
  const wanted = missing.map((program) => packages[program]).join(' ')
  return `${missing.join(', ')} missing: apt-get install -y ${wanted}`
}
