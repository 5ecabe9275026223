import { afterAll, beforeAll } from 'vitest'
import { systemPath } from '../../src/sandbox/isolation/programs/run-tool.ts'

/**
 * Has plain processes find the tools of the system alone while the tests of a file run: those that a user has put before
 * them may be scripts that take half a second of CPU each (pyenv).
 */
export const useSystemTools = (): void => {
  const usual = process.env.PATH
  beforeAll(() => {
    process.env.PATH = systemPath
  })
  afterAll(() => {
    process.env.PATH = usual
  })
}
