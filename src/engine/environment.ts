import { makeScrubber, type Scrubber } from './scrub.ts'

/** The runtime environment of a run (contract 1.9): looked up by name, and struck out of everything recorded. */
export interface Environment {
  get(name: string): string | undefined
  scrub: Scrubber
  isEmpty: boolean
}

export const emptyEnvironment: Environment = { get: () => undefined, scrub: makeScrubber([]), isEmpty: true }

/** `secrets` of the run win over the `variables` of its collection; a variable that is hidden so is struck out as well. */
export const makeEnvironment = (variables: Record<string, string>, secrets: Record<string, string>): Environment => {
  const values = new Map([...Object.entries(variables), ...Object.entries(secrets)])
  const scrub = makeScrubber([...Object.values(variables), ...Object.values(secrets)])
  return { get: (name) => values.get(name), scrub, isEmpty: values.size === 0 }
}
