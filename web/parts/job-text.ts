import type { RunStep } from '../data/run.ts'

/** What a worker says of its job: `40 %, resizing`. */
export const jobText = ({ state, worker, progress, message }: NonNullable<RunStep['job']>): string => {
  if (state === 'queued') return 'for a worker'
  const said = [progress === null ? '' : `${Math.floor(progress * 100)} %`, message ?? ''].filter((text) => text !== '')
  return said.length > 0 ? said.join(', ') : `with ${worker ?? 'a worker'}`
}
