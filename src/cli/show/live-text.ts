import type { LiveJob, Step, StepProgress } from '../../model/runs/step.ts'

/** Describes how far a running step is; undefined if it does not say. */
export const liveText = ({ progress, job }: Pick<Step, 'progress' | 'job'>): string | undefined =>
  progress ? fanOutText(progress) : job ? jobLine(job) : undefined

/** `412 of 1,000 runs ended, 3 failed`. */
const fanOutText = ({ total, begun, ended, failed, cancelled }: StepProgress): string => {
  const count = (value: number) => value.toLocaleString('en')
  const others = [failed > 0 ? `${count(failed)} failed` : '', cancelled > 0 ? `${count(cancelled)} cancelled` : '']
  return [`${count(ended)} of ${count(total ?? begun)} runs ended`, ...others].filter((text) => text !== '').join(', ')
}

/** `40 %, resizing (gpu-box)`. */
const jobLine = ({ state, worker, progress, message }: LiveJob): string => {
  if (state === 'queued') return 'waits for a worker'
  const said = [progress === null ? '' : `${Math.floor(progress * 100)} %`, message ?? ''].filter((text) => text !== '')
  return `${said.length > 0 ? said.join(', ') : 'a worker has it'}${worker === null ? '' : ` (${worker})`}`
}
