import { readFile } from 'node:fs/promises'
import type { Operations } from './operations.ts'

/**
 * Loads the operations that the build has written as data, so that a command does not load every schema (75 ms);
 * without a build, from the contract.
 */
export const loadOperations = async (): Promise<Operations> => {
  const built = await readFile(new URL('./operations.json', import.meta.url), 'utf8').catch(() => undefined)
  if (built !== undefined) return JSON.parse(built) as Operations
  const [{ contract }, { describeOperations }] = await Promise.all([
    import('../api/contract.ts'),
    import('./operations.ts'),
  ])
  return describeOperations(contract)
}
