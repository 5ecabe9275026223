import { createHash } from 'node:crypto'
import { AppError } from '../../../lib/errors.ts'
import { type PackageLanguage, packageFault, type ScriptLanguage } from '../../../model/scripts/script-run.ts'

/** Pinned packages of one language. */
export interface PackageSet {
  language: PackageLanguage
  /** In the order of their names. */
  packages: readonly string[]
  /** Names the set: equal sets have equal ids. */
  id: string
}

/**
 * Reads the packages of a script; undefined if it has none. Only exact versions of a registry: ranges would change what a
 * script does, and addresses would let it choose where the server fetches from.
 */
export const readPackages = (language: ScriptLanguage, packages: readonly string[]): PackageSet | undefined => {
  const fault = packageFault(language, packages)
  if (fault) throw new AppError('parameter_invalid', fault.message, { hint: fault.hint })
  if (packages.length === 0 || language === 'shell') return undefined
  const sorted = [...new Set(packages)].sort()
  const id = createHash('sha256')
    .update(`${language}\n${sorted.join('\n')}`)
    .digest('hex')
    .slice(0, 32)
  return { language, packages: sorted, id: `${language}-${id}` }
}
