import { createHash } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { ScriptLanguage } from '../../model/scripts/script-run.ts'

/** Languages with packages. */
export type PackageLanguage = Exclude<ScriptLanguage, 'shell'>

/** Pinned packages of one language. */
export interface PackageSet {
  language: PackageLanguage
  /** In the order of their names. */
  packages: readonly string[]
  /** Names the set: equal sets have equal ids. */
  id: string
}

const patterns: Readonly<Record<PackageLanguage, RegExp>> = {
  javascript: /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*@\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/,
  python: /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[a-z0-9,_-]+\])?==\d[0-9A-Za-z.!+]*$/,
}
const examples: Readonly<Record<PackageLanguage, string>> = { javascript: 'lodash@4.17.21', python: 'requests==2.32.3' }

/**
 * Reads the packages of a script; undefined if it has none. Only exact versions of a registry: ranges would change what a
 * script does, and addresses would let it choose where the server fetches from.
 */
export const readPackages = (language: ScriptLanguage, packages: readonly string[]): PackageSet | undefined => {
  if (packages.length === 0) return undefined
  if (language === 'shell') {
    throw new AppError('parameter_invalid', 'A shell script has no packages', {
      hint: 'Use python or javascript, or put the programs into the image of the sandboxes.',
    })
  }
  const wrong = packages.find((one) => !patterns[language].test(one))
  if (wrong !== undefined) {
    throw new AppError('parameter_invalid', `Package '${wrong}' has no exact version`, {
      hint: `Write it like ${examples[language]}.`,
    })
  }
  const sorted = [...new Set(packages)].sort()
  const id = createHash('sha256')
    .update(`${language}\n${sorted.join('\n')}`)
    .digest('hex')
    .slice(0, 32)
  return { language, packages: sorted, id: `${language}-${id}` }
}
